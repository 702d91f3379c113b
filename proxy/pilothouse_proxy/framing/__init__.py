"""How events are cut out of a stream of bytes: server-sent events and AWS's binary event stream. Pure, sans-I/O.

A decoder is fed whatever arrived and gives the whole frames; it neither waits nor knows what the frames mean. After a
frame that breaks the format it gives nothing more and says why in `broken`, whatever whole frames came before it.
"""
