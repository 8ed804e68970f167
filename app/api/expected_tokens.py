"""What a picture is expected to take, before it is sent: by the formula of the model's provider."""

from app.api.response_schemas import ExpectedTokens, PriceOfTokens
from app.captioning.openai_compat.captioner import OpenAICompatCaptioner

EMBEDDED = "embedded"


def expected_tokens(
    captioner: OpenAICompatCaptioner | None, longest_edge_px: int
) -> ExpectedTokens:
    """Of a picture of 4:3 by the first model; None is the embedded captioner, which takes none."""
    if captioner is None:
        width, height = longest_edge_px, longest_edge_px * 3 // 4
        return ExpectedTokens(
            model=EMBEDDED,
            image_width=width,
            image_height=height,
            image_tokens=0,
            thinks=False,
            price=None,
        )
    width, height = captioner.usual_size(longest_edge_px)
    price = captioner.price
    return ExpectedTokens(
        model=captioner.name,
        image_width=width,
        image_height=height,
        image_tokens=captioner.count_image_tokens((width, height)),
        thinks=captioner.is_known_to_think,
        price=None
        if price is None
        else PriceOfTokens(
            input=float(price.input), output=float(price.output), currency=price.currency
        ),
    )
