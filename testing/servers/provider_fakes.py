"""Fake servers of providers, after pages that show what a provider answers.

The bodies of Together, and those of Mistral besides its 401, were not seen: they have the form that
others copy from OpenAI.

They play what a captioner meets: parameters that are refused, thinking that is on unless it is
switched off, usage as the provider counts it, and its errors with their statuses and headers.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from app.captioning.openai_compat.failure_kinds import FailureKind as Kind
from testing.servers.chat_completions_server import ChatCompletionsServer, chat_completion

CAPTION = "A round blue disc lies in the middle of a plain white ground."
THINKING_TOKENS = 700
"""What a model that thinks spends on it."""
_INPUT_TOKENS, _CAPTION_TOKENS = 900, 14


@dataclass(frozen=True, slots=True)
class ErrorReply:
    """One error of a provider, and what it means."""

    kind: Kind
    status: int
    body: object
    """JSON."""
    headers: Mapping[str, str] = field(default_factory=dict)
    retry_after_s: float | None = None
    """The wait that it names."""
    about: Literal["key", "model"] | None = None
    """What the operator got wrong."""


Usage = Callable[[int, int], dict[str, Any]]
"""The `usage` for so many tokens of a caption and of thinking."""


@dataclass(frozen=True, slots=True)
class ProviderFake:
    """How one provider behaves."""

    provider: str
    """The name of its file."""
    model: str
    source: str
    """The page that shows its answers or its errors."""
    errors: tuple[ErrorReply, ...]
    usage: Usage
    refuses: Mapping[str, object] = field(default_factory=dict)
    """The body of the 400 for each parameter that is refused."""
    thinks: bool = False
    off: Mapping[str, Any] = field(default_factory=dict)
    """The parameters with which it does not think."""


def openai_usage(caption: int, thinking: int) -> dict[str, Any]:
    """Thinking is a part of the completion, and told."""
    return {
        "prompt_tokens": _INPUT_TOKENS,
        "completion_tokens": caption + thinking,
        "total_tokens": _INPUT_TOKENS + caption + thinking,
        "prompt_tokens_details": {"cached_tokens": 512},
        "completion_tokens_details": {"reasoning_tokens": thinking},
    }


def plain_usage(caption: int, thinking: int) -> dict[str, Any]:
    """Thinking is a part of the completion, and not told."""
    return {
        "prompt_tokens": _INPUT_TOKENS,
        "completion_tokens": caption + thinking,
        "total_tokens": _INPUT_TOKENS + caption + thinking,
    }


def gemini_usage(caption: int, thinking: int) -> dict[str, Any]:
    """Thinking is in the total alone."""
    return {
        "prompt_tokens": _INPUT_TOKENS,
        "completion_tokens": caption,
        "total_tokens": _INPUT_TOKENS + caption + thinking,
    }


class ProviderServer(ChatCompletionsServer):
    """One provider. While `error` is set it answers with that."""

    def __init__(
        self, fake: ProviderFake, *, is_strict: bool = False, key: str | None = None
    ) -> None:
        """`is_strict`: it serves one model, with the key where there is one, and lists it."""
        super().__init__()
        self.fake = fake
        self._is_strict = is_strict
        self._key = key
        self.error: ErrorReply | None = None
        self.calls: list[dict[str, Any]] = []

    def _respond(self, body: dict[str, Any]) -> tuple[int, bytes]:
        self.calls.append(body)
        error = self.error or self._operators_fault(body)
        if error is not None:
            return error.status, json.dumps(error.body).encode()
        for name, refusal in self.fake.refuses.items():
            if name in body:
                return 400, json.dumps(refusal).encode()
        return super()._respond(body)

    def _headers(self) -> Mapping[str, str]:
        return {} if self.error is None else self.error.headers

    def _models(self) -> Sequence[str]:
        return (self.fake.model,) if self._is_strict else ()

    def _operators_fault(self, body: dict[str, Any]) -> ErrorReply | None:
        if not self._is_strict:
            return None
        has_key = self._key is None or self.headers[-1]["authorization"] == f"Bearer {self._key}"
        about = None if has_key else "key"
        if about is None and body["model"] != self.fake.model:
            about = "model"
        if about is None:
            return None
        return next((error for error in self.fake.errors if error.about == about), None)

    def _complete(self, body: dict[str, Any]) -> dict[str, Any]:
        is_off = bool(self.fake.off) and all(
            body.get(name) == value for name, value in self.fake.off.items()
        )
        thinking = THINKING_TOKENS if self.fake.thinks and not is_off else 0
        limit = body.get("max_completion_tokens", body.get("max_tokens", 1_000_000))
        text, finish, written = CAPTION, "stop", _CAPTION_TOKENS
        if thinking + written > limit:
            thinking, text, finish, written = min(thinking, limit), "", "length", 0
        completion = chat_completion(text, finish_reason=finish)
        return {
            **completion,
            "model": f"{self.fake.model}-2026",
            "usage": self.fake.usage(written, thinking),
        }


def _error(message: str, kind: str = "invalid_request_error", **members: object) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": None, **members}}


def _openai_like(key_status: int = 401) -> tuple[ErrorReply, ...]:
    """The errors that OpenAI and those who copy its bodies have in common."""
    return (
        ErrorReply(Kind.MISCONFIGURED, key_status,
                   _error("Incorrect API key provided", code="invalid_api_key"), about="key"),
        ErrorReply(Kind.MISCONFIGURED, 404,
                   _error("The model `m` does not exist or you do not have access to it.",
                          code="model_not_found"), about="model"),
        ErrorReply(Kind.RATE_LIMITED, 429,
                   _error("Rate limit reached for m on requests per min (RPM): Limit 3, Used 3, "
                          "Requested 1. Please try again in 20s.", "requests",
                          code="rate_limit_exceeded"), retry_after_s=20),
        ErrorReply(Kind.SERVER_UNAVAILABLE, 500,
                   _error("The server had an error while processing your request", "server_error")),
    )  # fmt: skip


def _anthropic(kind: str, message: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}


def _google(code: int, message: str, status: str, **members: object) -> list[dict[str, Any]]:
    return [{"error": {"code": code, "message": message, "status": status, **members}}]


FAKES: tuple[ProviderFake, ...] = (
    ProviderFake(
        "openai", "gpt-6-luna", "https://developers.openai.com/api/docs/models/gpt-6-luna",
        usage=openai_usage, thinks=True, off={"reasoning_effort": "none"},
        refuses={
            "max_tokens": _error("Unsupported parameter: 'max_tokens' is not supported with this "
                                 "model. Use 'max_completion_tokens' instead.",
                                 code="unsupported_parameter"),
            "temperature": _error("Unsupported value: 'temperature' does not support 0.2 with this "
                                  "model. Only the default (1) value is supported.",
                                  code="unsupported_value"),
        },
        errors=(
            *_openai_like(),
            ErrorReply(Kind.QUOTA_EXHAUSTED, 429,
                       _error("You exceeded your current quota, please check your plan and billing "
                              "details.", "insufficient_quota", code="insufficient_quota")),
            ErrorReply(Kind.CONTENT_FILTERED, 400,
                       _error("Your input image may contain content that is not allowed by our "
                              "safety system.", code="content_policy_violation")),
            ErrorReply(Kind.IMAGE_REFUSED, 400,
                       _error("You uploaded an unsupported image.", code="invalid_image_format")),
        ),
    ),
    ProviderFake(
        "anthropic", "claude-haiku-5-5", "https://platform.claude.com/docs/en/api/errors",
        usage=plain_usage, thinks=True, off={"thinking": {"type": "disabled"}},
        errors=(
            ErrorReply(Kind.MISCONFIGURED, 401,
                       _anthropic("authentication_error", "invalid x-api-key"), about="key"),
            ErrorReply(Kind.MISCONFIGURED, 404, _anthropic("not_found_error", "model: m"),
                       about="model"),
            ErrorReply(Kind.RATE_LIMITED, 429,
                       _anthropic("rate_limit_error", "This request would exceed your rate limit"),
                       {"retry-after": "21"}, 21),
            ErrorReply(Kind.QUOTA_EXHAUSTED, 400,
                       _anthropic("invalid_request_error", "Your credit balance is too low to "
                                  "access the Anthropic API.")),
            ErrorReply(Kind.SERVER_UNAVAILABLE, 529, _anthropic("overloaded_error", "Overloaded")),
            ErrorReply(Kind.IMAGE_UNREADABLE, 400,
                       _anthropic("invalid_request_error", "Could not process image")),
            ErrorReply(Kind.IMAGE_TOO_LARGE, 413,
                       _anthropic("request_too_large", "Request exceeds the maximum size")),
        ),
    ),
    ProviderFake(
        "gemini", "gemini-2.5-flash", "https://ai.google.dev/gemini-api/docs/openai",
        usage=gemini_usage, thinks=True, off={"reasoning_effort": "none"},
        errors=(
            ErrorReply(Kind.MISCONFIGURED, 400,
                       _google(400, "API key not valid. Please pass a valid API key.",
                               "INVALID_ARGUMENT"), about="key"),
            ErrorReply(Kind.MISCONFIGURED, 404,
                       _google(404, "models/m is not found for API version v1main", "NOT_FOUND"),
                       about="model"),
            ErrorReply(Kind.RATE_LIMITED, 429,
                       _google(429, "You exceeded your current quota. Please retry in 36.4s.",
                               "RESOURCE_EXHAUSTED", details=[{"retryDelay": "36s"}]),
                       retry_after_s=36.4),
            ErrorReply(Kind.SERVER_UNAVAILABLE, 503,
                       _google(503, "The model is overloaded. Please try again later.",
                               "UNAVAILABLE")),
            ErrorReply(Kind.IMAGE_UNREADABLE, 400,
                       _google(400, "Unable to process input image.", "INVALID_ARGUMENT")),
            ErrorReply(Kind.CONTENT_FILTERED, 200,
                       {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}),
        ),
    ),
    ProviderFake(
        "groq", "qwen/qwen3.8-27b", "https://console.groq.com/docs/errors",
        usage=openai_usage, thinks=True, off={"reasoning_effort": "none"},
        errors=(
            *_openai_like(),
            ErrorReply(Kind.IMAGE_TOO_LARGE, 413,
                       _error("Request Entity Too Large", code="request_too_large")),
            ErrorReply(Kind.SERVER_UNAVAILABLE, 498, _error("Flex tier capacity exceeded")),
        ),
    ),
    ProviderFake(
        "openrouter", "qwen/qwen3-vl-8b-instruct",
        "https://openrouter.ai/docs/api/reference/errors-and-debugging",
        usage=plain_usage,
        errors=(
            ErrorReply(Kind.MISCONFIGURED, 401,
                       {"error": {"code": 401, "message": "User not found."}}),
            ErrorReply(Kind.QUOTA_EXHAUSTED, 402,
                       {"error": {"code": 402, "message": "Insufficient credits"}}),
            ErrorReply(Kind.CONTENT_FILTERED, 403,
                       {"error": {"code": 403, "message": "Your chosen model requires moderation "
                                  "and your input was flagged", "metadata": {"reasons": ["x"]}}}),
            ErrorReply(Kind.RATE_LIMITED, 429,
                       {"error": {"code": 429, "message": "Rate limit exceeded",
                                  "metadata": {"headers": {"Retry-After": "17"}}}},
                       {"retry-after": "17"}, 17),
            ErrorReply(Kind.SERVER_UNAVAILABLE, 200,
                       {"error": {"code": 502, "message": "Provider returned error"}}),
        ),
    ),
    ProviderFake(
        "mistral", "mistral-small-latest", "https://github.com/coolcline/CoolCline/issues/36",
        usage=plain_usage,
        errors=(
            ErrorReply(Kind.MISCONFIGURED, 401, {"message": "Unauthorized", "request_id": "1"}),
            ErrorReply(Kind.RATE_LIMITED, 429, {"message": "Requests rate limit exceeded"},
                       {"retry-after": "11"}, 11),
            ErrorReply(Kind.MISCONFIGURED, 400,
                       {"object": "error", "message": "Invalid model: m", "type": "invalid_model",
                        "param": None, "code": "1500"}),
            ErrorReply(Kind.SERVER_UNAVAILABLE, 503, {"message": "Service unavailable."}),
        ),
    ),
    ProviderFake(
        "together", "meta-llama/Llama-4-Scout", "https://docs.together.ai/docs/error-codes",
        usage=plain_usage,
        errors=(
            *_openai_like(),
            ErrorReply(Kind.QUOTA_EXHAUSTED, 402, _error("Payment required")),
            ErrorReply(Kind.SERVER_UNAVAILABLE, 503,
                       _error("Engine overloaded", "service_unavailable")),
        ),
    ),
    ProviderFake(
        "azure", "our-deployment", "https://github.com/compl-ai/compl-ai/issues/20",
        usage=openai_usage,
        errors=(
            ErrorReply(Kind.MISCONFIGURED, 401,
                       {"error": {"code": "401", "message": "Access denied due to invalid "
                                  "subscription key or wrong API endpoint."}}),
            ErrorReply(Kind.MISCONFIGURED, 404,
                       {"error": {"code": "DeploymentNotFound", "message": "The API deployment for "
                                  "this resource does not exist."}}),
            ErrorReply(Kind.RATE_LIMITED, 429,
                       {"error": {"code": "429", "message": "Requests to the ChatCompletions "
                                  "Operation have exceeded token rate limit. Please retry after 26 "
                                  "seconds."}}, {"retry-after": "26"}, 26),
            ErrorReply(Kind.CONTENT_FILTERED, 400,
                       _error("The response was filtered due to the prompt triggering Azure "
                              "OpenAI's content management policy.", code="content_filter")),
            ErrorReply(Kind.CONTENT_FILTERED, 200, {"choices": [], "prompt_filter_results": []}),
        ),
    ),
    ProviderFake(
        "ollama", "qwen3-vl:8b", "https://github.com/ollama/ollama/issues/13113",
        usage=plain_usage, thinks=True, off={"reasoning_effort": "none"},
        errors=(
            ErrorReply(Kind.MISCONFIGURED, 404,
                       _error("model 'm' not found, try pulling it first", "api_error"),
                       about="model"),
            ErrorReply(Kind.IMAGE_TOO_LARGE, 500,
                       _error("prompt too long; exceeded max context length by 341 tokens",
                              "api_error")),
            ErrorReply(Kind.NO_IMAGE_INPUT, 500,
                       _error("this model is missing data required for image input", "api_error")),
        ),
    ),
    ProviderFake(
        "vllm", "Qwen/Qwen3-VL-8B-Thinking", "https://github.com/vllm-project/vllm/issues/21109",
        usage=plain_usage, thinks=True, off={"chat_template_kwargs": {"enable_thinking": False}},
        errors=(
            ErrorReply(Kind.MISCONFIGURED, 404,
                       {"object": "error", "message": "The model `m` does not exist.",
                        "type": "NotFoundError", "param": "model", "code": 404}),
            ErrorReply(Kind.IMAGE_REFUSED, 400,
                       _error("height:16 and width:16 must be larger than factor:28",
                              "BadRequestError", code=400)),
            ErrorReply(Kind.IMAGE_TOO_LARGE, 400,
                       _error("The decoder prompt (length 5983) is longer than the maximum model "
                              "length of 4096.", "BadRequestError", code=400)),
        ),
    ),
    ProviderFake(
        "llama_cpp", "gemma-3-4b", "https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md",
        usage=plain_usage,
        errors=(
            ErrorReply(Kind.MISCONFIGURED, 401,
                       {"error": {"code": 401, "message": "Invalid API Key",
                                  "type": "authentication_error"}}),
            ErrorReply(Kind.SERVER_UNAVAILABLE, 503,
                       {"error": {"code": 503, "message": "Loading model",
                                  "type": "unavailable_error"}}),
            ErrorReply(Kind.IMAGE_TOO_LARGE, 400,
                       {"error": {"code": 400, "message": "the request exceeds the available "
                                  "context size", "type": "exceed_context_size_error"}}),
            ErrorReply(Kind.IMAGE_UNREADABLE, 400,
                       {"error": {"code": 400, "message": "Failed to load image or audio file",
                                  "type": "invalid_request_error"}}),
        ),
    ),
    ProviderFake(
        "lm_studio", "qwen2.5-vl-7b",
        "https://github.com/lmstudio-ai/lmstudio-bug-tracker/issues/908", usage=plain_usage,
        errors=(
            ErrorReply(Kind.NO_IMAGE_INPUT, 400, {"error": "Model does not support images. Please "
                                                  "use a model that does."}),
            ErrorReply(Kind.SERVER_UNAVAILABLE, 400, {"error": "Model was unloaded while the "
                                                      "request was still in queue."}),
        ),
    ),
    ProviderFake(
        "litellm", "vision", "https://github.com/BerriAI/litellm/issues/21553", usage=openai_usage,
        errors=(
            ErrorReply(Kind.RATE_LIMITED, 429,
                       _error("litellm.RateLimitError: AzureException RateLimitError",
                              "throttling_error", code="429"),
                       {"llm_provider-retry-after": "31"}, 31),
            ErrorReply(Kind.QUOTA_EXHAUSTED, 400,
                       _error("Budget has been exceeded! Current cost: 10, Max budget: 10",
                              "budget_exceeded", code="400")),
            ErrorReply(Kind.CONTENT_FILTERED, 400,
                       _error("litellm.BadRequestError: litellm.ContentPolicyViolationError: "
                              "AzureException - The response was filtered", code="400")),
        ),
    ),
)  # fmt: skip
