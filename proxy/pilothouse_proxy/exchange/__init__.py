"""One request and its reply in neutral words: what every dialect decodes to and encodes from. Pure.

No wire format is known here, and no provider: what only some dialects can say travels by name (`Request.others`),
so that the target refuses it by name. Dialects, translation and the quotas' estimates call in; nothing is called.
"""
