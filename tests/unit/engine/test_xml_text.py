"""XML as text: what is read is written again to the letter, whatever other programs put there."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine import xmltree

FLEET = "metadata/fleet:resource"

# As libvirt prints them: with apostrophes, but in metadata as libxml2 does, with quotes.
PRINTED = {
    "comments": "<a:x xmlns:a='urn:a'><!-- one --><b/><!----><!-- <![CDATA[ & ]]> --></a:x>",
    "instructions": "<a:x xmlns:a='urn:a'><?go?><?go some  data?><b/><?last?></a:x>",
    "sections": "<a:x xmlns:a='urn:a'>1<![CDATA[ <raw> & ]]>2<![CDATA[]]><b/><![CDATA[  ]]></a:x>",
    "default": "<x xmlns='urn:x'><y/><z xmlns='urn:z'><y xmlns=''/></z></x>",
    "same prefix twice": "<a:x xmlns:a='urn:1'/><a:x xmlns:a='urn:2'><a:y xmlns:a='urn:3'/></a:x>",
    "unused": "<a:x xmlns:a='urn:a' xmlns:b='urn:b' b:at='1'/>",
    "reserved": "<ns0:x xmlns:ns0='urn:a'><ns1:y xmlns:ns1='urn:b' xml:lang='de'/></ns0:x>",
    "mixed": "<a:x xmlns:a='urn:a'> some <b/> text  <b> </b>\n  more\n</a:x>",
    "characters": "<x a='&#xE9;&#10;&#9;&#13;&lt;&gt;&amp;'>é &#13;]]&gt;</x>",
    "ours within": "<o:x xmlns:o='urn:o'><fleet:y xmlns:fleet='urn:kvm.fleet:1'/></o:x>",
    "our prefix": "<fleet:resource xmlns:fleet='urn:other'><fleet:tags/></fleet:resource>",
    "our prefix for qemu": "<qemu:x xmlns:qemu='urn:other' qemu:at='1'/>",
}


def quoted(text: str) -> str:
    return text.replace("'", '"')


def in_domain(metadata: str) -> str:
    return (
        "<domain type='kvm' id='7' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>\n"
        "  <title>a &amp; &quot;b&quot; &apos;c&apos; &lt;&gt; é </title>\n"
        f'  <metadata xmlns:up="urn:up">\n    {metadata}\n  </metadata>\n'
        "  <memory unit='KiB'>10</memory>\n  <devices/>\n"
        "  <qemu:commandline>\n    <qemu:arg value='b&apos;c&quot;é'/>\n  </qemu:commandline>\n"
        "</domain>"
    )


@pytest.mark.parametrize("name", PRINTED)
def test_what_libvirt_prints_is_written_again_to_the_letter(name: str) -> None:
    document = in_domain(quoted(PRINTED[name]))
    assert xmltree.serialise(xmltree.parse(document)) == document


def test_what_we_keep_is_found_by_its_namespace() -> None:
    ours = {
        "another prefix": "<f:resource xmlns:f='urn:kvm.fleet:1' managed='yes'/>",
        "no prefix": "<resource xmlns='urn:kvm.fleet:1' managed='yes'/>",
        "another's prefix": "<qemu:resource xmlns:qemu='urn:kvm.fleet:1' managed='yes'/>",
    }
    for said, text in ours.items():
        assert xmltree.get(xmltree.parse(in_domain(text)), f"{FLEET}/@managed") == "yes", said
        again = xmltree.serialise(xmltree.parse(in_domain(text)))
        assert ET.fromstring(again).find("metadata/{urn:kvm.fleet:1}resource") is not None, said


def test_what_has_our_prefix_by_chance_is_not_ours() -> None:
    tree = xmltree.parse(in_domain(quoted(PRINTED["our prefix"])))
    assert xmltree.find(tree, FLEET) is None
    xmltree.put(tree, f"{FLEET}/@managed", "yes")
    both = ET.fromstring(xmltree.serialise(tree)).findall("metadata/*")
    assert [node.tag for node in both] == ["{urn:other}resource", "{urn:kvm.fleet:1}resource"]


def test_white_space_and_sections_say_nothing_to_a_value() -> None:
    tags = '<fleet:tags><![CDATA[{"a": "b"}]]></fleet:tags>'
    text = f"<fleet:resource xmlns:fleet='urn:kvm.fleet:1'>{tags}</fleet:resource>"
    assert xmltree.get(xmltree.parse(in_domain(text)), f"{FLEET}/fleet:tags") == '{"a": "b"}'


def test_what_a_document_cannot_be_is_told() -> None:
    for text in ("", "<a>", "<a></b>", "<a/><b/>", "text", "<a>&nope;</a>"):
        with pytest.raises(ValueError, match="not well-formed XML"):
            xmltree.parse(text)
