"""How each family writes a conversation as one text: facts, with the vendors' prompt guides as the source."""

import re

import msgspec


class Around(msgspec.Struct, frozen=True):
    """What stands before and behind a piece of the conversation."""

    before: str
    behind: str


class Template(msgspec.Struct, frozen=True, kw_only=True):
    """A format of prompts."""

    begin: str = ""
    """Once, at the head."""
    system: Around
    system_inside: bool = False
    """Whether instructions stand inside the first turn of the user."""
    user: Around
    assistant: Around
    answer: str
    """Behind it the model goes on."""
    image: str = ""
    """What stands for an image in the user's text."""
    controls: re.Pattern[str]
    """All that the family reads as structure, wherever it stands; it ends in a character that can be set apart."""


def _speakers(user: str, assistant: str) -> re.Pattern[str]:
    return re.compile(rf"^[^\S\n]*(?:{user}|{assistant}):", re.MULTILINE)


_HEADERS = re.compile(r"<\|[^<>|\s]{1,64}\|>")
_INSTRUCTIONS = re.compile(r"\[/?(?:INST|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|SYSTEM_PROMPT|PREFIX|IMG)\]|</?s>")

# Titan Text, "User: …\nBot:": AWS, prompt engineering guidelines.
TITAN = Template(
    system=Around("", "\n\n"),
    user=Around("User: ", "\n"),
    assistant=Around("Bot: ", "\n"),
    answer="Bot:",
    controls=_speakers("User", "Bot"),
)
# Anthropic, text completions.
CLAUDE = Template(
    system=Around("", ""),
    user=Around("\n\nHuman: ", ""),
    assistant=Around("\n\nAssistant: ", ""),
    answer="\n\nAssistant:",
    controls=_speakers("Human", "Assistant"),
)
# Jurassic-2 and Command have no format of their own: a transcript, which both vendors show for chats.
JURASSIC = Template(
    system=Around("", "\n\n"),
    user=Around("User: ", "\n"),
    assistant=Around("Assistant: ", "\n"),
    answer="Assistant:",
    controls=_speakers("User", "Assistant"),
)
COMMAND = Template(
    system=Around("", "\n\n"),
    user=Around("User: ", "\n"),
    assistant=Around("Chatbot: ", "\n"),
    answer="Chatbot:",
    controls=_speakers("User", "Chatbot"),
)
# Meta, model cards and prompt formats.
LLAMA_2 = Template(
    begin="<s>",
    system=Around("<<SYS>>\n", "\n<</SYS>>\n\n"),
    system_inside=True,
    user=Around("[INST] ", " [/INST]"),
    assistant=Around(" ", " </s><s>"),
    answer="",
    controls=re.compile(r"\[/?INST\]|<</?SYS>>|</?s>"),
)
LLAMA_3 = Template(
    begin="<|begin_of_text|>",
    system=Around("<|start_header_id|>system<|end_header_id|>\n\n", "<|eot_id|>"),
    user=Around("<|start_header_id|>user<|end_header_id|>\n\n", "<|eot_id|>"),
    assistant=Around("<|start_header_id|>assistant<|end_header_id|>\n\n", "<|eot_id|>"),
    answer="<|start_header_id|>assistant<|end_header_id|>\n\n",
    image="<|image|>",
    controls=_HEADERS,
)
LLAMA_4 = Template(
    begin="<|begin_of_text|>",
    system=Around("<|header_start|>system<|header_end|>\n\n", "<|eot|>"),
    user=Around("<|header_start|>user<|header_end|>\n\n", "<|eot|>"),
    assistant=Around("<|header_start|>assistant<|header_end|>\n\n", "<|eot|>"),
    answer="<|header_start|>assistant<|header_end|>\n\n",
    image="<|image|>",
    controls=_HEADERS,
)
# Mistral, "Prompting capabilities" and the instruct tokenizer.
MISTRAL = Template(
    begin="<s>",
    system=Around("", "\n\n"),
    system_inside=True,
    user=Around("[INST] ", " [/INST]"),
    assistant=Around(" ", "</s>"),
    answer="",
    controls=_INSTRUCTIONS,
)
# DeepSeek-R1's chat template; the opened <think> is what AWS's example sends.
DEEPSEEK = Template(
    begin="<｜begin▁of▁sentence｜>",
    system=Around("", ""),
    user=Around("<｜User｜>", ""),
    assistant=Around("<｜Assistant｜>", "<｜end▁of▁sentence｜>"),
    answer="<｜Assistant｜><think>\n",
    controls=re.compile(r"<[｜|][^<>｜|\s]{1,64}[｜|]>|</?think>"),
)
