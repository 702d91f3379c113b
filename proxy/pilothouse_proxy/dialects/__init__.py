"""Wire formats, one folder each: bytes to and from the exchange. Pure.

A dialect knows neither its siblings nor who sends; whether the pipeline translates or passes bytes through is
`translation`'s choice. What a dialect cannot say becomes a 400 that names the parameter.
"""
