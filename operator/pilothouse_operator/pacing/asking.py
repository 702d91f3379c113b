"""One call to a service: it ends in time, and every failure is a Fault. It sleeps no longer than its bound."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

from pilothouse_api.conditions import Reason
from pilothouse_operator.pacing.frames import frames
from pilothouse_operator.pacing.targets import Target
from pilothouse_operator.ports import Fault

_log = logging.getLogger(__name__)

T = TypeVar("T")

# Those who speak to the services bound their calls more tightly; this is for what they have overlooked.
_BOUND_S = 30.0


async def asked(call: Coroutine[Any, Any, T], target: Target, *, unavailable: Reason) -> T | Fault:
    """What the call gives. `unavailable`: the reason of a fault that the call itself had no word for."""
    try:
        async with asyncio.timeout(_BOUND_S):
            return await call
    except Fault as fault:
        # It is kept; the frames that it passed, and what it was made of, hold values and must not be.
        fault.__cause__ = fault.__context__ = None
        return fault.with_traceback(None)
    except TimeoutError:
        message = f"{target} has not answered within {_BOUND_S:g} s; it is asked again"
    except Exception as error:
        _log.error("asking %s has failed, which it should not: %s", target, frames(error))
        message = f"{target} could not be asked ({type(error).__name__}, see the operator's log); it is tried again"
    return Fault(message, reason=unavailable, passing=True)
