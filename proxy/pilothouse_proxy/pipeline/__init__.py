"""One request, top to bottom: the order of the stages is the order of the lines, not a chain of middleware.

    serve    authenticate → peek → route → reserve → fly → commit → record
    flight   (choose → prepare → send → classify)… → relay

`models` answers GET /v1/models. The runtime is taken once per request and passed on; nobody reads "current" twice. The
one exception is a flight whose renewed credential was refused: `renewals` has another, or lets it wait for one.
"""
