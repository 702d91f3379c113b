"""The three servers together, in one process."""

from __future__ import annotations

from functools import cache
from types import TracebackType

from tests.simulators.admin.service import AdminService
from tests.simulators.azure_openai.surface import AzureSurface
from tests.simulators.bedrock import sign_in
from tests.simulators.bedrock.control import BedrockControl
from tests.simulators.bedrock.openai_surface import OpenAISurface
from tests.simulators.bedrock.quotas import TARGET, ServiceQuotas
from tests.simulators.bedrock.service import BedrockService
from tests.simulators.controls import Controls
from tests.simulators.openai_chat.plain import PlainSurface
from tests.simulators.openai_chat.service import OpenAIService
from tests.simulators.wire.replies import Reply
from tests.simulators.wire.server import Request, Server, Service


class Simulators:
    """Bedrock, Azure OpenAI (beside it plain OpenAI under `/v1` and Anthropic under `/anthropic`), and the admin API.

    Port 0 takes a free one.
    Use as an asynchronous context manager, or `start` and `stop`. `controls` does in process what the admin API does.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        bedrock_port: int = 0,
        azure_port: int = 0,
        mantle_port: int = 0,
        admin_port: int = 0,
        region: str = "us-east-1",
        reuse_port: bool = False,
    ) -> None:
        self.controls = Controls(region=region)
        self._host = host
        azure = OpenAIService(self.controls, AzureSurface(self.controls))
        plain = OpenAIService(self.controls, PlainSurface(self.controls))

        @cache
        def claude() -> Service:
            # The types of Anthropic's SDK take seconds to load: not for who wants none of it.
            from tests.simulators.anthropic.service import AnthropicService

            return AnthropicService(self.controls)

        @cache
        def claude_of_bedrock(service: str) -> Service:
            from tests.simulators.anthropic.service import AnthropicService
            from tests.simulators.bedrock.anthropic_surface import AnthropicSurface

            return AnthropicService(self.controls, AnthropicSurface(self.controls, service=service))

        def openai_port(request: Request) -> Reply:
            if request.target.startswith(b"/anthropic/"):
                return claude()(request)
            return plain(request) if request.target.startswith(b"/v1/") else azure(request)

        native, control = BedrockService(self.controls), BedrockControl(self.controls)
        quotas = ServiceQuotas(self.controls)
        openai = OpenAIService(self.controls, OpenAISurface(self.controls, service=sign_in.RUNTIME))
        mantle = OpenAIService(self.controls, OpenAISurface(self.controls, service=sign_in.MANTLE))

        def mantle_host(request: Request) -> Reply:
            if request.target.startswith(b"/anthropic/"):
                return claude_of_bedrock(sign_in.MANTLE)(request)
            return mantle(request)

        def bedrock_hosts(request: Request) -> Reply:
            if request.target.startswith(b"/anthropic/"):
                return claude_of_bedrock(sign_in.RUNTIME)(request)
            if request.target.startswith(b"/openai/"):
                return openai(request)
            if (request.header(b"x-amz-target") or b"").startswith(TARGET):
                return quotas(request)
            return native(request) if request.target.startswith(b"/model/") else control(request)

        self._bedrock = Server(service=bedrock_hosts, host=host, port=bedrock_port, reuse_port=reuse_port)
        self._mantle = Server(service=mantle_host, host=host, port=mantle_port, reuse_port=reuse_port)
        self._azure = Server(service=openai_port, host=host, port=azure_port, reuse_port=reuse_port)
        self.admin: Service = AdminService(self.controls)
        """May be replaced by one that does more."""
        self._admin = Server(service=self._administer, host=host, port=admin_port)
        self.mantle_url = self.bedrock_url = self.azure_url = self.admin_url = ""
        self.openai_url = self.anthropic_url = ""

    async def start(self) -> None:
        self.bedrock_url = f"http://{self._host}:{await self._bedrock.start()}"
        self.mantle_url = f"http://{self._host}:{await self._mantle.start()}"
        self.azure_url = f"http://{self._host}:{await self._azure.start()}"
        self.openai_url = f"{self.azure_url}/v1"
        self.anthropic_url = f"{self.azure_url}/anthropic"
        self.admin_url = f"http://{self._host}:{await self._admin.start()}"

    async def stop(self) -> None:
        for server in (self._bedrock, self._mantle, self._azure, self._admin):
            await server.stop()

    def _administer(self, request: Request) -> Reply:
        return self.admin(request)

    def addresses(self) -> dict[str, str]:
        return {
            "bedrock": self.bedrock_url,
            "azure": self.azure_url,
            "openai": self.openai_url,
            "anthropic": self.anthropic_url,
            "admin": self.admin_url,
        }

    async def __aenter__(self) -> Simulators:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()
