"""Placeholders in texts: what each becomes, what is left alone, and what is a mistake."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.kvm.fleet.plugins.module_utils.engine.placeholders import Place, filled

WEB_3 = Place(3, "web-3")


@pytest.mark.parametrize(
    ("text", "becomes"),
    [
        ("%{index}", "3"),
        ("10.0.0.%{index + 100}/24", "10.0.0.103/24"),
        ("%{index*2+1} %{2 * index} %{ index - 3 }", "7 6 0"),
        ("%{index:02} %{index + 9:03} %{index + 9:02x} %{index + 9:02X}", "03 012 0c 0C"),
        ("%{name}.example.com", "web-3.example.com"),
        ("{{ index }}, {{index + 1}}", "3, 4"),  # as !unsafe
        ("%%{Referer}i and %%{index}", "%{Referer}i and %{index}"),
        ("50% {index} ${index} %index #{index}", "50% {index} ${index} %index #{index}"),
        ("{{ v1.local_hostname }} {{ index_of }} {{ name }} {{ (index) }}",) * 2,  # the guest's
        ("{% for index in x %}", "{% for index in x %}"),
    ],
)
def test_what_it_becomes(text: str, becomes: str) -> None:
    assert filled(text, WEB_3) == becomes


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("%{Referer}i", "%{Referer} is no placeholder; there are %{index}, "),
        ("%{}", "%{} is no placeholder"),
        ("%{index + index}", "is no placeholder"),
        ("%{index ** 2}", "is no placeholder"),
        ("%{index / 2}", "is no placeholder"),
        ("%{__import__('os')}", "is no placeholder"),
        ("%{index:2}", "is no placeholder"),  # it would put spaces in front
        ("%{name:03}", "is no placeholder"),
        ("{{ index | int }}", "{{ index | int }} is no placeholder"),
        ("%{index", "has a %{ without its }; %%{ stands for a %{ that is none"),
        ("%{index - 4}", "index - 4 is -1 for the index 3, less than 0"),
    ],
)
def test_what_is_a_mistake(text: str, said: str) -> None:
    with pytest.raises(ValueError) as error:
        filled(text, WEB_3)
    assert said in str(error.value)


def test_nothing_of_a_secret_is_quoted() -> None:
    with pytest.raises(ValueError, match=r"^something is no placeholder"):
        filled("pass%{word}", WEB_3, is_secret=True)


@given(st.text(st.sampled_from("%{}index name:+-*09x\n"), max_size=40), st.integers(0, 2000))
def test_any_text_is_filled_or_refused_and_what_is_literal_comes_back(text: str, n: int) -> None:
    try:
        filled(text, Place(n, "web"))
    except ValueError as error:
        assert (
            "is no placeholder" in str(error) or "%{" in str(error) or "less than 0" in str(error)
        )
    if "{{" not in text:
        literal = text.replace("%{", "%%{")
        if "%%%{" not in literal:
            assert filled(literal, Place(n, "web")) == text
