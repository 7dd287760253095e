"""The program as it is deployed is built so that a defect is hard to exploit."""
import re
import subprocess

import pytest
from harness.proxy import binary

pytestmark = pytest.mark.optimised


@pytest.fixture(scope="module", name="elf")
def fixture_elf():
    done = subprocess.run(["readelf", "--wide", "--file-header", "--program-headers", "--dynamic",
                           "--dyn-syms", binary()], capture_output=True, text=True, check=True)
    return done.stdout


def segment(elf, kind):
    """Its flags."""
    found = re.search(rf"^ +{kind} +(?:0x[0-9a-f]+ +){{5}}([RWE ]{{3}})", elf, re.M)
    assert found, f"no segment {kind}"
    return found[1].replace(" ", "")


def imports(elf):
    return set(re.findall(r" UND ([A-Za-z_0-9]+)", elf))


def test_it_is_loaded_at_an_address_that_nobody_can_guess(elf):
    assert re.search(r"^ +Type: +DYN ", elf, re.M)
    assert re.search(r"\(FLAGS_1\).*\bPIE\b", elf)


def test_what_the_linker_resolved_cannot_be_overwritten(elf):
    assert segment(elf, "GNU_RELRO") == "R"
    assert re.search(r"\(FLAGS_1\).*\bNOW\b", elf)


def test_no_memory_is_both_written_and_run(elf):
    assert segment(elf, "GNU_STACK") == "RW"
    loaded = re.findall(r"^ +LOAD +(?:0x[0-9a-f]+ +){5}([RWE ]{3})", elf, re.M)
    assert loaded and not [flags for flags in loaded if "W" in flags and "E" in flags]


def test_no_library_is_taken_from_where_it_was_built(elf):
    assert "(RPATH)" not in elf and "(RUNPATH)" not in elf


def test_stacks_are_watched_and_copies_bounded(elf):
    assert "__stack_chk_fail" in imports(elf)
    assert "__snprintf_chk" in imports(elf)  # what is bounded elsewhere the compiler may see itself


def test_indirect_jumps_land_where_they_may():
    """The mark of such a place. The note that lets the processor insist on it needs a C library
    that was built for it too, which Debian's is not."""
    assert binary().read_bytes().count(b"\xf3\x0f\x1e\xfa") > 1000
