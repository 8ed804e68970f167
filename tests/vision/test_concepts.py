"""The table of concepts is consistent, and sums classes to what a person would call them."""

import tomllib
from importlib import resources

import numpy as np
import pytest

from app.vision.concepts import MAX_SIGHTINGS, Probabilities, load_concepts
from app.vision.product_classifier import OTHER, load_product_classes
from app.vision.recogniser import PLAIN_MIN_CLOTHES

CLASSES = [
    line.split()[1]
    for line in (resources.files("app.vision") / "imagenet_classes.txt").read_text().splitlines()
    if not line.startswith("#")
]


def probabilities(**classes: float) -> np.ndarray:
    """The output of the classifier with these probabilities, and 0 for every other class."""
    values = np.zeros(len(CLASSES), np.float32)
    for name, probability in classes.items():
        values[CLASSES.index(name)] = probability
    return values


def products(**classes: float) -> np.ndarray:
    """The output of the classifier of products; what is left over is something else."""
    values = np.array([classes.get(name, 0) for name in load_product_classes()], np.float32)
    values[list(load_product_classes()).index(OTHER)] += 1 - values.sum()
    return values


def named(products: np.ndarray = products(), **classes: float) -> list[str]:  # noqa: B008
    both = Probabilities(probabilities(**classes), products)
    return [sighting.concept for sighting in load_concepts().find_sightings(both)]


def test_there_are_a_thousand_classes_with_a_name_each():
    """In the order of the network's outputs, which is that of WordNet's numbers."""
    assert len(CLASSES) == len(set(CLASSES)) == 1000
    assert (CLASSES[0], CLASSES[207], CLASSES[999]) == (
        "tench", "golden_retriever", "toilet_tissue",
    )  # fmt: skip


def test_every_class_stands_in_one_concept_at_most():
    """Beside the more general ones, which sum it too."""
    table = load_concepts()
    lowest: dict[int, str] = {}
    for concept in table.concepts.values():
        below = {
            number
            for other in table.concepts.values()
            if concept.name in table.generals_of(other.name)
            for number in other.classes
        }
        for number in concept.classes - below:
            assert number not in lowest, f"{CLASSES[number]}: {lowest[number]}, {concept.name}"
            lowest[number] = concept.name


def test_a_general_concept_sums_every_class_of_those_below_it():
    """So that it is at least as probable."""
    table = load_concepts()
    for name, concept in table.concepts.items():
        assert concept.classes, name
        for general in table.generals_of(name):
            assert concept.classes <= table.concepts[general].classes


def test_the_number_of_concepts_is_one_that_five_languages_can_have_words_for():
    """Fewer would name too little, more would not be checked by anybody."""
    assert 150 <= len(load_concepts().concepts) <= 300


@pytest.mark.parametrize("file", ["thresholds", "product_thresholds"])
def test_thresholds_are_probabilities_and_were_measured(file: str):
    """A concept is named only where at least 98 % of the pictures that measured it were right."""
    table = load_concepts()
    assert getattr(table, file)
    for name, row in getattr(table, file).items():
        assert name in table.concepts
        assert 0.35 <= row.threshold < 1, name
        assert 0.98 <= row.precision <= 1, name
        assert row.pictures > 0, name


def test_the_file_of_thresholds_is_as_its_script_writes_it():
    """Nobody has edited a figure."""
    from scripts import concept_thresholds

    text = (resources.files("app.vision") / "concept_thresholds.toml").read_text("utf-8")
    assert concept_thresholds.format_thresholds(load_concepts().thresholds) == text


def test_breeds_are_summed_to_a_dog():
    """No breed is certain, and that it is a dog is."""
    assert named(beagle=0.3, basset=0.3, english_foxhound=0.3) == ["dog"]


def test_the_more_general_word_is_named_where_only_that_is_certain():
    """And only one of both where both are."""
    assert named(beagle=0.33, tabby=0.33, red_fox=0.32) == ["animal"]
    assert named(tabby=0.98) == ["cat"]


def test_a_product_is_named_where_both_classifiers_together_are_sure():
    """Where either alone is not, and not where the other one sees something else."""
    assert named(jersey=0.35) == []
    assert named(products(t_shirt=0.95), jersey=0.35) == ["t_shirt"]
    assert named(products(t_shirt=0.5, dress=0.45), jersey=0.2, gown=0.1) == ["garment"]
    assert named(products(t_shirt=1.0)) == []


def test_a_product_class_without_a_word_counts_for_the_more_general_concept():
    """A jacket is a garment, and a suitcase is nothing that can be named."""
    assert named(products(jacket=0.95), trench_coat=0.2, suit=0.15) == ["garment"]
    assert named(products(suitcase=1.0)) == []


@pytest.mark.parametrize("classes", [{}, {"tabby": 0.2}, {"velvet": 1.0}, {"web_site": 1.0}])
def test_nothing_is_named_where_nothing_is_certain(classes):
    """And no class that stands in no concept."""
    assert named(**classes) == []


def test_an_animal_is_not_named_where_no_animal_is_likely():
    """Hundreds of classes add up, as they did for a picture of a family."""
    spread = dict.fromkeys(CLASSES[151:251], 0.0084)
    assert named(**spread) == []
    assert not load_concepts().may_picture_faces(probabilities(**spread))
    assert load_concepts().may_picture_faces(probabilities(tabby=0.9))


def test_somebody_on_a_plain_background_wears_something():
    """A face without clothes around it is printed on a thing."""
    table = load_concepts()
    assert table.weigh_clothes(probabilities(jersey=0.06, suit=0.06)) >= PLAIN_MIN_CLOTHES
    assert table.weigh_clothes(probabilities(coffee_mug=0.5, jersey=0.05)) < PLAIN_MIN_CLOTHES


def test_the_face_of_a_statue_is_no_person():
    """What looks like an altar, a pedestal or armour has no living face."""
    assert load_concepts().may_picture_faces(probabilities(altar=0.05, pedestal=0.05))
    assert not load_concepts().may_picture_faces(probabilities(altar=0.04, jersey=0.5))


def test_the_face_of_a_plastic_figure_is_no_person():
    """The classifier takes it for a plaster or a soap dispenser."""
    assert load_concepts().may_picture_faces(probabilities(band_aid=0.3, soap_dispenser=0.1))
    assert load_concepts().may_picture_faces(probabilities(comic_book=0.1, pencil_sharpener=0.08))
    assert not load_concepts().may_picture_faces(probabilities(band_aid=0.06, jersey=0.5))


def test_an_animal_on_a_pack_is_not_named():
    """The classifier of products sees the pack, the book or the mug that it is printed on."""
    assert named(tabby=0.9) == ["cat"]
    assert named(products(book=0.6), tabby=0.9) == []
    assert named(products(mug=0.3, cosmetics=0.2), tabby=0.9) == []
    assert named(products(ball=0.6), tabby=0.9) == ["cat"]


def test_jewellery_is_named_by_what_it_resembles():
    """No classifier knows rings, which look like hair slides: the word is true of both."""
    assert named(hair_slide=0.55) == ["accessory"]
    assert named(chain=0.45, necklace=0.2) == ["jewellery"]
    assert named(products(jewellery=0.95), chain=0.25, necklace=0.14) == ["jewellery"]
    assert named(necklace=0.8) == ["necklace"]


def test_what_the_classifier_of_products_knows_better_is_not_named():
    """A football boot is no hair slide; a drill, which it does not know, stays one."""
    assert named(products(shoe=0.95), hair_slide=0.7) == []
    assert named(products(belt=0.95), hair_slide=0.7) == ["accessory"]
    assert named(products(electronic_device=0.95), power_drill=0.9) == ["drill"]


def test_one_face_in_a_barbershop_may_not_be_the_only_person():
    assert load_concepts().shows_company(probabilities(barbershop=0.34))
    assert not load_concepts().shows_company(probabilities(barbershop=0.2, suit=0.5))


def test_a_box_of_wrenches_is_a_tool_and_toys_are_no_shop():
    assert named(carpenters_kit=0.5, can_opener=0.2) == ["tool"]
    assert named(toyshop=0.7) == ["toy"]
    assert named(grocery_store=0.7) == ["shop"]


def test_at_most_a_few_sightings_are_returned_the_surest_first():
    """Even for an output that is no distribution."""
    both = Probabilities(np.ones(len(CLASSES), np.float32), products())
    sightings = load_concepts().find_sightings(both)
    assert len(sightings) == MAX_SIGHTINGS
    values = [sighting.probability for sighting in sightings]
    assert values == sorted(values, reverse=True)
    assert max(values) <= 1


def test_the_table_is_valid_toml_with_a_known_kind_for_each_concept():
    """The kinds choose sentences."""
    rows = tomllib.loads((resources.files("app.vision") / "concepts.toml").read_text("utf-8"))
    kinds = {row["kind"] for row in rows.values()}
    assert kinds == {
        "accessory", "animal", "appliance", "bag", "building", "container", "drink",
        "electronics", "food", "footwear", "furniture", "garment", "headgear", "instrument",
        "kitchenware", "place", "plant", "sport", "tableware", "thing", "tool", "toy", "vehicle",
    }  # fmt: skip


def test_maize_that_grows_is_no_food():
    """Of a field with somebody in it "maize" is true, and "food" is not."""
    assert named(corn=0.62) == []
    assert named(corn=0.5, ear=0.3) == ["maize"]


def test_a_vehicle_on_a_plain_background_may_be_a_model():
    """Cars and motorcycles are toys there; bicycles are sold as they are."""
    table = load_concepts()
    models = {name for name in table.concepts if table.is_often_a_model(name)}
    assert {"car", "vehicle", "tank", "aeroplane", "ship"} <= models
    assert models.isdisjoint({"bicycle", "shopping_trolley", "camera", "dog"})


def test_a_toy_is_named_where_nothing_more_is_certain_of_it():
    """And a teddy bear is a teddy bear."""
    assert named(toyshop=0.3, teddy=0.2) == ["toy"]
    assert named(toyshop=0.2, teddy=0.7) == ["teddy_bear"]
    assert named(toyshop=0.35) == []


@pytest.mark.parametrize(
    ("toys", "thing"),
    [
        ({"toyshop": 0.002}, {"sports_car": 0.9}),
        ({"toyshop": 0.002}, {"fire_engine": 0.9}),
        ({"teddy": 0.12}, {"tabby": 0.85}),
        ({"teddy": 0.06, "toyshop": 0.05}, {"pajama": 0.85}),
    ],
)
def test_what_toys_imitate_is_not_named_where_toys_are_likely(toys: dict, thing: dict):
    """A model car in a scene, a plush cat and the clothes of a doll."""
    assert named(**toys, **thing) == []
    assert len(named(**thing)) == 1


def test_a_framed_picture_is_no_screen():
    """It is spread over all classes in which a picture stands in a frame."""
    frame = {"entertainment_center": 0.32, "television": 0.32, "home_theater": 0.12}
    assert named(products(monitor=0.99), **frame) == []
    assert named(products(monitor=0.99), television=0.6, home_theater=0.16) == ["television"]


@pytest.mark.parametrize(
    "classes",
    [
        {"coffee_mug": 0.07, "cup": 0.05},
        {"television": 0.09, "medicine_chest": 0.06, "web_site": 0.05},
        {"toyshop": 0.12},
    ],
)
def test_a_face_on_a_mug_in_a_frame_or_of_a_toy_is_no_persons(classes: dict):
    """Also where the thing itself is not certain."""
    assert load_concepts().may_picture_faces(probabilities(**classes))


def test_a_person_beside_a_cup_or_a_screen_is_a_person():
    """People had up to 0.02 and 0.12."""
    table = load_concepts()
    assert not table.may_picture_faces(probabilities(cup=0.02, screen=0.1, toyshop=0.02))


def test_a_dark_panel_is_no_electronic_device():
    """It is a little of many; a device is mostly one."""
    panel = {"loudspeaker": 0.17, "ipod": 0.17, "radio": 0.17, "remote_control": 0.17}
    assert named(products(electronic_device=0.98), **panel) == []
    assert named(products(electronic_device=0.98), loudspeaker=0.3, ipod=0.3) == [
        "electronic_device"
    ]
