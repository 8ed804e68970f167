"""What is seen in drawn pictures, whose truth is known."""

import json

import pytest
from PIL import Image

from app.vision.analyse import analyse, analyse_job, warm_up
from app.vision.features import Features
from tests.vision import drawn


def seen(image: Image.Image) -> Features:
    return analyse(drawn.jpeg(image))


@pytest.mark.parametrize("name", drawn.COLOURS)
def test_a_product_on_white_is_one_thing_of_its_own_colour(name: str):
    """Shading, JPEG and a soft shadow change neither the colour's name nor the count."""
    sight = seen(drawn.product(drawn.COLOURS[name]))
    assert (sight.verdict, sight.kind, sight.ground) == ("picture", "cutout", "white")
    assert sight.subject is not None
    assert [share.colour for share in sight.subject.colours] == [name]
    assert sight.subject.outline == "tall"
    assert sight.subject.has_shadow


def test_a_white_product_on_white_is_not_lost():
    """Its outline alone tells it from the ground."""
    sight = seen(drawn.product("#e0e0e0"))
    assert sight.kind == "cutout"
    assert sight.subject is not None
    assert {share.colour for share in sight.subject.colours} <= {"white", "light grey"}
    assert sight.subject.area > 0.15


@pytest.mark.parametrize(
    ("box", "place", "outline"),
    [
        ((300, 200, 600, 700), "centre", "tall"),
        ((40, 350, 240, 560), "left", "plain"),
        ((660, 350, 860, 560), "right", "plain"),
        ((250, 30, 650, 200), "top", "wide"),
        ((250, 650, 650, 820), "bottom", "wide"),
        ((50, 40, 850, 800), "on", "plain"),
    ],
)
def test_where_a_product_stands_and_how_it_is_shaped(box, place: str, outline: str):
    """The box says both."""
    subject = seen(drawn.product("#1f5fd0", box=box)).subject
    assert subject is not None
    assert (subject.place, subject.outline) == (place, outline)


def test_a_ball_is_round_and_a_square_is_not():
    """Round is claimed only where the whole rim is equally far from the centre."""
    ball = seen(drawn.ball("#d82828")).subject
    square = seen(drawn.product("#d82828", box=(300, 300, 600, 600))).subject
    assert ball is not None
    assert square is not None
    assert (ball.outline, square.outline) == ("round", "plain")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("product", "cutout"),
        ("product on black", "cutout"),
        ("ball", "cutout"),
        ("see-through", "cutout"),
        ("banner", "graphic"),
        ("bands", "graphic"),
        ("scene", "photo"),
        ("grey scene", "photo"),
        ("page", "document"),
        ("dark page", "document"),
        ("chart", "chart"),
        ("line drawing", "drawing"),
        ("word mark", "shapes"),
        ("icon", "icon"),
    ],
)
def test_the_kind_of_picture_is_told(name: str, kind: str):
    """Each was drawn to be one of its kind."""
    assert seen(drawn.WORTH_DESCRIBING[name]()).kind == kind


@pytest.mark.parametrize("name", drawn.WORTH_DESCRIBING)
def test_what_says_something_is_never_decorative(name: str):
    """A picture called decorative vanishes from the page."""
    assert seen(drawn.WORTH_DESCRIBING[name]()).verdict == "picture"


@pytest.mark.parametrize("name", drawn.DECORATIVE)
def test_what_says_nothing_is_decorative(name: str):
    """Blank, fades, rules, patterns and noise."""
    assert seen(drawn.DECORATIVE[name]()).verdict == "decorative"


@pytest.mark.parametrize("name", drawn.UNCERTAIN)
def test_what_nobody_could_recognise_is_uncertain(name: str):
    """Blur and darkness beyond use need a person."""
    sight = seen(drawn.UNCERTAIN[name]())
    assert (sight.verdict, sight.reason) == ("uncertain", name)


def test_two_bands_are_told_from_top_to_bottom():
    """Their colours, and nothing about what they may be."""
    assert seen(drawn.bands()).layers == ("light blue", "green")


def test_a_part_is_mostly_a_colour_only_where_half_of_it_is():
    """A third of red on black is no red part."""
    image = Image.new("RGB", (600, 600), "#151515")
    image.paste("#d82828", (0, 0, 600, 70))
    image.paste("#2b9a40", (150, 400, 600, 600))
    assert (seen(image).regions.top, seen(image).regions.bottom) == ("black", "green")


def test_a_page_is_told_with_its_ink_and_its_paper():
    """The ink is what differs most from its surroundings."""
    dark = seen(drawn.page("#14205a", "white"))
    assert (dark.colours[0].colour, dark.ground) == ("white", "navy")


def test_a_scene_without_colour_is_grey_and_one_with_colour_is_not():
    """JPEG's rounding of colour does not count."""
    assert seen(drawn.noisy_scene().convert("L")).is_grey
    assert not seen(drawn.noisy_scene()).is_grey


@pytest.mark.parametrize(
    ("size", "form"),
    [
        ((600, 400), "landscape"),
        ((400, 600), "upright"),
        ((500, 500), "square"),
        ((900, 300), "panorama"),
        ((300, 900), "column"),
    ],
)
def test_the_format_is_told(size: tuple[int, int], form: str):
    """By width and height alone."""
    assert seen(Image.new("RGB", size, "white")).form == form


def test_equal_pixels_give_equal_facts_and_survive_json():
    """The child answers in JSON; nothing is lost on the way."""
    data = drawn.jpeg(drawn.chart())
    assert (
        analyse(data)
        == analyse(data)
        == Features.from_json(json.loads(json.dumps(analyse(data).to_json())))
    )


def test_the_child_asks_for_room_and_answers_with_facts():
    """The handler's shape is what the pool runs."""
    import io

    asked: list[int] = []
    facts, result = analyse_job(io.BytesIO(drawn.jpeg(drawn.ball("red"))), {}, asked.append)
    assert (facts["kind"], result, len(asked)) == ("cutout", b"", 1)
    warm_up()


def test_bytes_that_are_no_picture_are_an_error():
    """OSError, as Pillow says it."""
    with pytest.raises(OSError, match="cannot identify"):
        analyse(b"not a picture")


@pytest.mark.parametrize("size", [(1, 1), (2, 700), (5, 5), (7, 300), (33, 31), (1200, 3)])
@pytest.mark.parametrize("make", [drawn.noise, drawn.noisy_scene, drawn.chart, drawn.ball])
def test_no_size_is_too_small_to_look_at(size: tuple[int, int], make):
    """Any picture gets an answer."""
    image = make("#d82828") if make is drawn.ball else make()
    assert analyse(drawn.jpeg(image.resize(size))).verdict in {"picture", "decorative", "uncertain"}


def test_a_studio_photograph_is_no_flat_graphic():
    """Its ground is as flat from pixel to pixel, but it drifts from one side to the other."""
    ground = Image.linear_gradient("L").resize((900, 900)).point(lambda v: 200 + v // 6)
    image = Image.merge("RGB", (ground, ground, ground.point(lambda v: v - 12)))
    image.paste("#303030", (330, 250, 570, 800))
    assert seen(image).kind not in ("graphic", "shapes", "cutout")


def test_pictures_in_a_row_are_no_bars():
    """Of one size and on one line: a shop's page. Bars differ in length."""
    image = Image.new("RGB", (900, 600), "white")
    for n, colour in enumerate(("#1f5fd0", "#f08018", "#2b9a40", "#d82828")):
        image.paste(colour, (60 + 210 * n, 200, 210 + 210 * n, 400))
    assert seen(image).kind != "chart"


def test_a_thin_frame_is_no_ground():
    """A window with a dark border is not something on black."""
    image = Image.new("RGB", (600, 800), "#151515")
    image.paste("white", (10, 40, 590, 790))
    image.paste("#1f5fd0", (250, 200, 350, 300))
    assert seen(image).ground != "black"


def test_what_the_edge_cuts_off_throws_no_shadow():
    """The soft rim of an arm beside white is none, and no ground is seen to hold one."""
    image = drawn.product("#1f5fd0").crop((0, 0, 900, 650))
    subject = seen(image).subject
    assert subject is not None
    assert not subject.has_shadow
