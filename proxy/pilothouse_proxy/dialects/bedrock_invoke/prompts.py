"""A conversation as one text.

What somebody says must not become structure: `<|eot_id|>`, `[INST]` or a line that begins with "Human:" in a message
would let its author speak as another, or close the instructions. Such a token is broken by a blank before its last
character (`<|eot_id| >`, `Human :`), in everything that is said, instructions and earlier answers too. The reader still
sees what was meant, the tokenizer does not; to refuse it would refuse every question about a prompt format.
"""

import re

from pilothouse_proxy.dialects.bedrock_invoke.templates import Template
from pilothouse_proxy.dialects.bedrock_invoke.turns import Conversation
from pilothouse_proxy.exchange.parts import Image
from pilothouse_proxy.exchange.request import Role


def write(conversation: Conversation, template: Template) -> str:
    """The prompt, up to where the model goes on; an assistant's turn at the end is left open, to be continued."""
    pieces = [template.begin]
    system = harmless(conversation.system, template)
    if system:
        system = template.system.before + system + template.system.behind
        if not template.system_inside:
            pieces.append(system)
            system = ""
    last = conversation.spoken[-1]
    for spoken in conversation.spoken:
        text = harmless(spoken.text, template)
        if spoken.role is Role.USER:
            images = template.image * sum(isinstance(medium, Image) for medium in spoken.media)
            pieces.append(template.user.before + system + images + text + template.user.behind)
            system = ""
        elif spoken is last:
            # Blanks at the end would be a token of their own, after which models go astray.
            pieces.append(template.assistant.before + text.rstrip())
        else:
            pieces.append(template.assistant.before + text + template.assistant.behind)
    if last.role is Role.USER:
        pieces.append(template.answer)
    return "".join(pieces)


def images(conversation: Conversation) -> list[str]:
    """The images of all turns, in the order of their places in the prompt."""
    return [medium.base64 for spoken in conversation.spoken for medium in spoken.media if isinstance(medium, Image)]


def harmless(text: str, template: Template) -> str:
    """The text without a token that the family reads as structure."""
    return template.controls.sub(_broken, text)


def _broken(token: re.Match[str]) -> str:
    found = token.group()
    return f"{found[:-1]} {found[-1]}"
