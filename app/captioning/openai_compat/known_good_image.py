"""A known good image: what a captioner is given that may be broken, and what a check captions.

Drawn once (a red house with a blue door on green grass, under a yellow sun; 224 x 224 pixels, above
the least size of every model) and kept as text, so that the server process does not load Pillow.
"""

import base64
import hashlib

from app.types import NormalisedImage, SourceFacts

_EDGE_PX = 224
_JPEG_BASE64 = (
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABIMDRANCxIQDhAUExIVGywdGxgYGzYnKSAsQDlEQz85Pj1HUGZXR0thTT0+"
    "WXlaYWltcnNyRVV9hnxvhWZwcm7/2wBDARMUFBsXGzQdHTRuST5Jbm5ubm5ubm5ubm5ubm5ubm5ubm5ubm5ubm5ubm5u"
    "bm5ubm5ubm5ubm5ubm5ubm5ubm7/wAARCADgAOADASIAAhEBAxEB/8QAGwABAAIDAQEAAAAAAAAAAAAAAAMFAgQGAQf/"
    "xAA7EAEAAgEBAwYKCAcBAAAAAAAAAQIDBAURURITITFBcTI0Q2FygpGxwdEGFDM1UlRzkxUiQmKBobLh/8QAGgEBAAID"
    "AQAAAAAAAAAAAAAAAAQFAQIDBv/EACgRAQACAgECBQUBAQEAAAAAAAABAgMRBCEzEzEyUXESFEGBsWFC4f/aAAwDAQAC"
    "EQMRAD8AuAE1BAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAASYa77b+DnlyRipN5/DalZvaKw9x4u20f"
    "4SxG7qB5nNnvmtu0ramOtI1DyaxbrhBek0nzNgmN8TEu3G5VsNveGmXDGSP9aoTG6d0j0fmqgBkAAAAAAAAAAARajU4t"
    "Njm+W0RwjtnuYmddZIiZ6QlGvpNZi1eOJpMRftpM9Mf+NgiYmNwzMTE6kAZYAAEuD+pEypbk23o/KxzkxWrHm6YbRS8T"
    "LYCJiY3x1DzExMTqVv5gMcl+THnbY6WyWitfNi1orG5QW8Ke94D1dY1EQpZnc7AGwAAAAAAAAArdobUjBa2LButk6pt2"
    "Vn4y1taKxuW1KTedQn1+upo8e6N1stvBr8Z8yh1GfJqcs5Ms75n2RHCEczNrTNpmZnpmZ7XiDkyTf4WGPFFI/wBZY8l8"
    "WSL47TW1emJhfbO2jGq/kyRFcvZEdVo8znximSaT0ZyY4vHV1wqNn7W8HFqZ80ZJn3/Nbp1LxeNwr70mk6kAbtAAGVLz"
    "Tq6uCSM0dsShEXLxMWWfqtHV1pmvSNRKWc34Y9qKZmZ3z1g3w8fHh9EMXy2v6pAHdzAAAAAAAAHkzFazNpiIjpmZ7GGb"
    "Nj0+Pl5bRWvVvUOu2jk1VprWZrh7K8e9yyZIo648U3n/ABsa/as5Y5vTTate2/VM93mVYINrzadysKUikagAatgABv6D"
    "ad9NPIzcq+Ls7Zr3eZoDatprO4a2rFo1LrMeSmXHF8dotW3TEwyc1o9bl0lv5J30md9qT1T8l/ptVi1VOVitv3dcT1wn"
    "Y8sX+VflwzT4TAOrkAAAAAAAAAAAANfV6zFpMczeYm/ZSJ6Z/wDEOv2lTSTyKRF8vDf0V7/kocmS+XJN8lpta3TMyj5c"
    "0V6R5pGLBNutvJLqtXl1eSLZZjo6IrHVCAEOZmZ3KdEREagAYZAAAAAAEunz5NNljJindMeyY4SiCJ11gmN9JdHodoY9"
    "XSItMVy9td/X3NtyUTNbRNZmJjpiY7F3s/akZ7VxZ91cnVFuy0/CUzFm30sg5cH09a+SyASUYAAAAAAAAY5Kc5jmsWtT"
    "f0cqvXDIYFd/BNP+PL7Y+TT2hs/Fpeb5u155W/fypjzeZeq3bPkfW+CPmpWtJmITeJe180VtPT/xU81XjJzVeMsxA3K6"
    "8Knsw5qvGTmq8ZZhuTwqezDmq8ZOarxlmG5PCp7MOarxk5qvGWYbk8Knsw5qvGTmq8ZZhuTwqezDmq8ZOarxlmG5PCp7"
    "JdDosepzTS9rxEV39Ex5m/8AwTT/AI8vtj5IdkeNW9CffC3TcFK2puYU/MtNMuq9IR6fDGnxRji97xHVyp3zEcEgJURp"
    "Amd9QBkAAAAAAAAFbtnyPrfBZK3bPkfW+DhyO3KXwu/X9/xhsD74wet/zLsXHbA++MHrf8y7FBp5J/L9cfA5b6UfeOP9"
    "KPfLqXLfSj7xx/pR75LeTHG7inAc1kAAPoL58+gt6IXM/wCRTfSj7ux/qx7pXKm+lH3dj/Vj3S2t5I2HuQpdkeNW9Cff"
    "C3VGyPGrehPvhbpnG9CPz+8AJCEAAAAAAAAAAK3bPkfW+CyVu2fI+t8HDkduUvhd+v7/AIi2Jkpi2rhvkvWlY5W+1p3R"
    "H8sur+v6P83g/cj5uGFfFtLnLgjJO5l3P1/R/m8H7kfNzf0jzY82vpbDkpkrGKI30tExv3yqgm22MfHjHb6olhbJybTG"
    "5jz39v8Atjk+0litMfGxWpEzH4VuXl5q3tET+Z9knPf2/wC3sZd8xG7r86J7Xw4721uLiiJnX9a15mabRE2/jYdz9f0f"
    "5vB+5HzcMKiJ0tsuGMmty7n6/o/zeD9yPmqfpHqsGbQUrhz4sloyxO6l4md26XODM225040VtFtt7ZHjVvQn3wt1Rsjx"
    "q3oT74W6fxvQq+f3gBIQgAAAAAAAAABW7Z8j63wWSt2z5H1vg4cjtyl8Lv1/f8VgCtegAAQZPtJYssn2ksV9h7dfiHnM"
    "/dt8yPa+HHe8e18OO9tf0y0p6obADz70wADe2R41b0J98LdUbI8at6E++FuseN6FDz+8AJCEAAAApwFIyAAAAIdT/T/l"
    "Mh1P9P8AlmEvhd+v7/iABlfgAIMn2ksWWT7SWK+w9uvxDzmfu2+ZHtfDjvePa+HHe2v6ZaU9UNgB596YABLp/DnubDX0"
    "/hz3NhiVFz+8AMIQAAAAAAAAAAjy45vu3bujikB0x5Jx2i1fNr8xbjBzFuMNgZ2k/f5mvzFuMHMW4w2A2ff5mnfR5LWm"
    "YmvtY/Usn4qe2W8JNeXkrERCJa02mbT+Wj9Syfip7Ze10eSLRO+vtbozPMyzGiJmJ21+Ytxg5i3GGwIu0v7/ADNfmLcY"
    "OYtxhsBs+/zIsWKaW3zMdXYlBhGy5bZbfVYAHMAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    "AAAAAB//2Q=="
)


def known_good_image() -> NormalisedImage:
    """The image as a captioner gets images."""
    jpeg = base64.b64decode(_JPEG_BASE64)
    sha256 = hashlib.sha256(jpeg).hexdigest()
    source = SourceFacts(_EDGE_PX, _EDGE_PX, "jpeg", len(jpeg), sha256)
    return NormalisedImage(jpeg, _EDGE_PX, _EDGE_PX, source)
