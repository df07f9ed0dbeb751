"""Published data sets in small: the files as their publishers write them, around pictures of one's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scipy.io import savemat

Classes = Mapping[str, Sequence[Image.Image]]

_HEADING = (
    "5_o_Clock_Shadow Arched_Eyebrows Attractive Bags_Under_Eyes Bald Bangs Big_Lips Big_Nose Black_Hair "
    "Blond_Hair Blurry Brown_Hair Bushy_Eyebrows Chubby Double_Chin Eyeglasses Goatee Gray_Hair Heavy_Makeup "
    "High_Cheekbones Male Mouth_Slightly_Open Mustache Narrow_Eyes No_Beard Oval_Face Pale_Skin Pointy_Nose "
    "Receding_Hairline Rosy_Cheeks Sideburns Smiling Straight_Hair Wavy_Hair Wearing_Earrings Wearing_Hat "
    "Wearing_Lipstick Wearing_Necklace Wearing_Necktie Young"
)
ATTRIBUTES = _HEADING.split(" ")
CORNERS = ("bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2")
LABELLED = "cars_test_annos_withlabels.mat"


def drawn(*names: str, each: int = 3, side: int = 8) -> dict[str, list[Image.Image]]:
    """Pictures of noise, `each` of every class."""
    rng = np.random.default_rng(0)
    return {
        name: [Image.fromarray(rng.integers(0, 256, (side, side, 3), dtype=np.uint8)) for _ in range(each)]
        for name in names
    }


def from_tree(folder: Path, *, classes: int, each: int, side: int = 32) -> dict[str, list[Image.Image]]:
    """The first pictures of the first sub-folders of a folder tree, small and on white."""
    found: dict[str, list[Image.Image]] = {}
    for place in sorted(path for path in folder.iterdir() if path.is_dir()):
        files = sorted(place.iterdir())[:each]
        if len(files) == each and len(found) < classes:
            found[place.name] = [_on_white(file, side) for file in files]
    return found


def write_tiny_imagenet(root: Path, classes: Classes, *, val: int = 1) -> Path:
    """tiny-imagenet-200: of each class the last `val` pictures are in val, and one in test."""
    wnids = {f"n{20 + place:08}": name for place, name in enumerate(classes)}
    _text(root / "wnids.txt", *reversed(wnids))
    words = [f"{wnid}\t{name}, {name} of another name" for wnid, name in wnids.items()]
    _text(root / "words.txt", "n00001740\tentity", *words, "n15102894\tcrust")
    annotations: list[str] = []
    for wnid, name in wnids.items():
        own, held = classes[name][: len(classes[name]) - val], classes[name][len(classes[name]) - val :]
        for number, picture in enumerate(own):
            _save(picture, root / "train" / wnid / "images" / f"{wnid}_{number}.JPEG")
        boxes = [f"{wnid}_{number}.JPEG\t0\t10\t63\t58" for number in range(len(own))]
        _text(root / "train" / wnid / f"{wnid}_boxes.txt", *boxes)
        for picture in held:
            file = f"val_{len(annotations)}.JPEG"
            annotations.append(f"{file}\t{wnid}\t0\t32\t44\t62")
            _save(picture, root / "val" / "images" / file)
        _save(classes[name][0], root / "test" / "images" / f"test_{len(annotations)}.JPEG")
    _text(root / "val" / "val_annotations.txt", *annotations)
    return root


def write_celeba(root: Path, classes: Classes, *, packing: str = "flat", named: bool = True) -> Path:
    """CelebA: a class is a person, who has a number.

    Args:
        packing: "flat": all beside each other; "folders": Anno, Eval and Img; "csv": as on Kaggle.
        named: whether identity_CelebA.txt is there.
    """
    anno, evaluation, pictures = {
        "flat": ("", "", "img_align_celeba"),
        "folders": ("Anno", "Eval", "Img/img_align_celeba"),
        "csv": ("", "", "img_align_celeba/img_align_celeba"),
    }[packing]
    rows: list[list[str]] = []
    for person, own in enumerate(classes.values()):
        for picture in own:
            file = f"{len(rows) + 1:06}.jpg"
            values = [1 if (len(rows) + place) % 3 == 0 else -1 for place in range(len(ATTRIBUTES))]
            rows.append([file, str(person + 1), str(min(2, 3 * person // len(classes))), *map(str, values)])
            _save(picture, root / pictures / file)
    if packing == "csv":
        _text(
            root / "list_attr_celeba.csv",
            ",".join(["image_id", *ATTRIBUTES]),
            *(",".join([row[0], *row[3:]]) for row in rows),
        )
        _text(root / "list_eval_partition.csv", "image_id,partition", *(f"{row[0]},{row[2]}" for row in rows))
    else:
        lines = (f"{row[0]} " + " ".join(f"{value:>2}" for value in row[3:]) for row in rows)
        _text(root / anno / "list_attr_celeba.txt", str(len(rows)), " ".join(ATTRIBUTES) + " ", *lines)
        _text(root / evaluation / "list_eval_partition.txt", *(f"{row[0]} {row[2]}" for row in rows))
    if named:
        _text(root / anno / "identity_CelebA.txt", *(f"{row[0]} {row[1]}" for row in rows))
    return root


def write_cars196(root: Path, classes: Classes, *, packing: str = "apart") -> Path:
    """Cars196: "apart": cars_train, cars_test and devkit; "together": car_ims and cars_annos.mat."""
    rows = [
        (number, picture, place % 2)
        for number, own in enumerate(classes.values(), start=1)
        for place, picture in enumerate(own)
    ]
    names = _cells(classes)
    if packing == "together":
        fields = ("relative_im_path", *CORNERS, "class", "test")
        together = [
            (f"car_ims/{place:06}.jpg", 2, 3, 6, 8, number, test)
            for place, (number, _, test) in enumerate(rows, start=1)
        ]
        for entry, (_, picture, _) in zip(together, rows, strict=True):
            _save(picture, root / str(entry[0]))
        save_mat(root / "cars_annos.mat", annotations=structs(fields, together), class_names=names)
        return root
    save_mat(root / "devkit" / "cars_meta.mat", class_names=names)
    for test, side in enumerate(("train", "test")):
        own = [(number, picture) for number, picture, where in rows if where == test]
        files = [f"{place:05}.jpg" for place in range(1, len(own) + 1)]
        for file, (_, picture) in zip(files, own, strict=True):
            _save(picture, root / f"cars_{side}" / file)
        parts = [(2, 3, 6, 8, number, file) for file, (number, _) in zip(files, own, strict=True)]
        to = root / "devkit" / "cars_train_annos.mat" if side == "train" else root / LABELLED
        save_mat(to, annotations=structs((*CORNERS, "class", "fname"), parts))
    unlabelled = structs((*CORNERS, "fname"), [(2, 3, 6, 8, "00001.jpg")])
    save_mat(root / "devkit" / "cars_test_annos.mat", annotations=unlabelled)
    return root


def structs(fields: Sequence[str], entries: Sequence[Sequence[object]]) -> Any:
    """A 1 x n array of structs, each value in an array of its own, as MATLAB writes them."""
    found = np.zeros((1, len(entries)), dtype=[(name, object) for name in fields])
    for place, entry in enumerate(entries):
        found[0, place] = tuple(np.array([value] if isinstance(value, str) else [[value]]) for value in entry)
    return found


def save_mat(path: Path, *, packed: bool = True, **variables: object) -> Path:
    """Write variables as MATLAB 5 to 7 does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, variables, do_compression=packed)
    return path


def write_cub200(root: Path, classes: Classes) -> Path:
    """CUB-200-2011: of each class every second picture is in the publishers' test."""
    numbers = count(1)
    images, labels, own_split, boxes = [], [], [], []
    for number, (name, own) in enumerate(classes.items(), start=1):
        for place, picture in enumerate(own):
            file, of = f"{number:03}.{name}/{name}_{place:04}_{number}.jpg", next(numbers)
            images.append(f"{of} {file}")
            labels.append(f"{of} {number}")
            own_split.append(f"{of} {1 - place % 2}")
            boxes.append(f"{of} 1.0 2.0 4.5 5.0")
            _save(picture, root / "images" / file)
    _text(root / "images.txt", *images)
    _text(root / "image_class_labels.txt", *labels)
    _text(root / "train_test_split.txt", *own_split)
    _text(root / "bounding_boxes.txt", *boxes)
    _text(root / "classes.txt", *(f"{number} {number:03}.{name}" for number, name in enumerate(classes, 1)))
    return root


def write_sop(root: Path, classes: Classes) -> Path:
    """Stanford Online Products: the first half of the products trains."""
    heading, numbers = "image_id class_id super_class_id path", count(1)
    sides: dict[str, list[str]] = {"train": [heading], "test": [heading]}
    for number, own in enumerate(classes.values(), start=1):
        category = ("bicycle", "coffee_maker")[number % 2]
        for place, picture in enumerate(own):
            path = f"{category}_final/1110{number:08}_{place}.JPG"
            side = "train" if 2 * number <= len(classes) else "test"
            sides[side].append(f"{next(numbers)} {number} {number % 2 + 1} {path}")
            _save(picture, root / path)
    for side, lines in sides.items():
        _text(root / f"Ebay_{side}.txt", *lines)
    return root


def write_inshop(root: Path, classes: Classes, *, flat: bool = False) -> Path:
    """In-shop Clothes Retrieval: the first half trains; of the others the first picture is the query."""
    anno, evaluation, pictures = ("", "", "") if flat else ("Anno", "Eval", "Img")
    rows, boxes = [], []
    for number, own in enumerate(classes.values(), start=1):
        for place, picture in enumerate(own):
            side = "train" if 2 * number <= len(classes) else ("gallery" if place else "query")
            item = f"id_{number:08}"
            path = f"img/WOMEN/{('Blouses_Shirts', 'Tees')[number % 2]}/{item}/0{place}_1_front.jpg"
            rows.append(f"{path:<70} {item} {side}")
            boxes.append(f"{path:<70} 1 1 001 002 006 008")
            _save(picture, root / pictures / path)
    heading = "image_name item_id evaluation_status"
    _text(root / evaluation / "list_eval_partition.txt", str(len(rows)), heading, *rows)
    heading = "image_name clothes_type pose_type x_1 y_1 x_2 y_2"
    _text(root / anno / "list_bbox_inshop.txt", str(len(boxes)), heading, *boxes)
    return root


def write_omniglot(root: Path, classes: Classes) -> Path:
    """Omniglot: two characters make an alphabet; the first half of the alphabets is the background."""
    alphabets = (len(classes) + 1) // 2
    for number, own in enumerate(classes.values()):
        alphabet = number // 2
        side = "images_background" if 2 * alphabet < alphabets else "images_evaluation"
        folder = root / side / f"Alphabet_of_the_{alphabet}_(ひ)" / f"character{number % 2 + 1:02}"
        for drawer, picture in enumerate(own, start=1):
            _save(picture.convert("1"), folder / f"{number + 1:04}_{drawer:02}.png")
    return root


def _cells(classes: Classes) -> Any:
    names = np.zeros((1, len(classes)), dtype=object)
    for place, name in enumerate(classes):
        names[0, place] = np.array([name])
    return names


def _on_white(file: Path, side: int) -> Image.Image:
    with Image.open(file) as picture:
        coloured = picture.convert("RGBA")
    white = Image.new("RGBA", coloured.size, "white")
    return Image.alpha_composite(white, coloured).convert("RGB").resize((side, side))


def _save(picture: Image.Image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path)


def _text(path: Path, *lines: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes("".join(f"{line}\n" for line in lines).encode())


WRITERS: dict[str, Callable[..., Path]] = {
    "tiny-imagenet": write_tiny_imagenet,
    "cars196": write_cars196,
    "cub200": write_cub200,
    "celeba": write_celeba,
    "sop": write_sop,
    "inshop": write_inshop,
    "omniglot": write_omniglot,
}
LISTED = ("tiny-imagenet", "celeba", "cub200", "sop", "inshop")  # whose rows stand in lists of text


def change(path: Path, old: str, new: str) -> None:
    """Put another text in the place of the first one of that kind."""
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
