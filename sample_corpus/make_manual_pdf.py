"""Write manuals/sluice-4-installer-manual.pdf: PDF 1.4 by hand, the same bytes at every run.

Streams are not compressed, because zlib's output differs between its builds.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from pathlib import Path

TITLE = "Sluice 4 Valve Controller: Installer's Manual"
PAGE_WIDTH_PT, PAGE_HEIGHT_PT = 595, 842
LEFT_PT, RIGHT_PT, TOP_PT, BOTTOM_PT = 68, 527, 768, 78
BODY_SIZE_PT, LEADING_PT = 10.5, 15.0

# Advance widths of Helvetica in thousandths of the size, from the space to the tilde.
_WIDTHS = """
278 278 355 556 556 889 667 191 333 333 389 584 278 333 278 278 556 556 556 556 556 556 556 556
556 556 278 278 584 584 584 556 1015 667 667 722 722 667 611 778 722 278 500 667 556 833 722 778
667 778 722 667 611 722 667 944 667 667 611 278 278 278 469 556 333 556 556 500 556 556 278 556
556 222 222 500 222 833 556 556 556 556 333 500 278 556 500 722 500 500 500 334 260 334 584
"""
ADVANCES = {chr(32 + i): int(width) for i, width in enumerate(_WIDTHS.split())}

# One line per block: "# " chapter, "## " section, "- " or "1. " item, "| " table row, else text.
MANUAL = """\
# 1 Before you begin
This manual is for trained installers. It describes the mounting, the wiring and the first start \
of the valve controller Sluice 4 from serial number SL4-001000 onward. The watering programmes \
themselves are described in the handbook and are set up in Almanac by the customer or by you.
The controller drives up to four latching solenoids, reads one flow meter, one pressure sensor \
and one soil probe, and can switch a pump through a relay. It has no connection to the mains. \
Never connect 24 V or 230 V to any of its terminals: the board is destroyed at once, and the \
warranty with it.
## 1.1 What is in the box
- the controller with its lid and four captive screws
- two lithium cells in a sealed bag, to be inserted on site
- ten gel-filled wire connectors
- a wall plate with two stainless screws and plugs
- a yellow card with the serial number and the pairing code
Not in the box are solenoids, flow meter and cable. Keep the yellow card: the pairing code is \
printed nowhere else, and a new one can only be issued by support after the owner has agreed.
## 1.2 Tools
A screwdriver of size PZ1, a stripper for 0.5 to 1.5 square millimetres, a multimeter, and the \
installer app on a telephone or tablet. A hand pump with a gauge is useful for testing the pipe.
# 2 Mounting
## 2.1 Place
Mount the controller upright, with the glands downward, between 60 and 150 cm above the ground. \
It may get wet but must not stand in water. In valve boxes below the ground the radio reaches \
about 80 m instead of several kilometres, so use a post beside the box wherever that is possible.
Keep at least 1 m away from frequency converters of pumps. Their noise does not harm the \
controller, but it covers the weak messages of a distant gateway. Direct sun is allowed. At more \
than 65 degrees inside the housing the controller goes on working and marks the event in its log.
## 2.2 Wall plate
Screw the plate to a flat surface with the arrow pointing up. Hang the controller into it from \
above and close the lower catch until it clicks. On a round post, use two band clamps of 60 to \
110 mm through the slots of the plate. Do not drill through the housing.
## 2.3 Cables through the glands
Each gland takes a cable of 4 to 8 mm diameter. Glands that are not used are closed with the \
black plugs. Tighten with 2.5 N·m, then pull at the cable: it must not move. Leave a loop of \
cable below the gland, so that drops fall from the loop and do not creep along the cable into the \
housing.
# 3 Wiring
## 3.1 Solenoids
Every valve has two wires. Red goes to the numbered terminal and black to the common terminal C. \
If red and black are swapped, the valve opens when it ought to close. Solenoids must be of the \
latching type for pulses of 9 to 12 V with a resistance between 4 and 6 ohm. One solenoid per \
terminal; two in parallel draw more than the capacitor can give, and one of them will stay open.
The length of the cable decides its thickness. Up to 30 m use 0.75 square millimetres, up to 60 m \
use 1.5, and up to 100 m use 2.5. More than 100 m is not permitted; put a second controller \
there.
## 3.2 Splices
Use the gel-filled connectors and no others. Push the unstripped wires in to the stop and close \
the cap with pliers until it is flush. Tape does not keep water out. A splice that was opened \
once is cut off and made anew.
## 3.3 Flow meter
Fit the meter downstream of the filter and upstream of the valves, with the arrow in the \
direction of flow and with straight pipe on both sides: ten diameters before it and five behind \
it. White goes to F+, brown to F-, and the screen of the cable to nothing at all at the meter's \
end. Enter the pulse volume that is printed on the meter in the installer app. A wrong figure is \
the commonest mistake in the whole installation, because everything seems to work and every \
report is wrong.
## 3.4 Pressure sensor and soil probe
The pressure sensor is connected to P+, P- and S. It wants a ball valve in front of it, so that \
it can be exchanged without draining the pipe. The soil probe has a plug that fits only one way. \
If you connect more than one probe through a junction box, give each its own address first.
## 3.5 Pump relay
The relay has a dry contact for 24 V AC and 1 A, which switches the contactor of the pump. Wiring \
the contactor is work for an electrician. The pump starts five seconds after the first valve has \
opened and stops two seconds before the last one closes, so that it never works against a closed \
pipe. Where a check valve slams, lengthen the second figure in the installer app.
## 3.6 A worked example
A manifold stands 25 m from the pump house. Zone 1 waters two rows of raspberries by drip, zones \
2 and 3 a lawn with pop-up sprinklers, and zone 4 fills a trough. The cables to zones 1 and 4 are \
18 m long and get 0.75 square millimetres; zones 2 and 3 lie 45 m away and get 1.5. The meter is \
of size DN 25 with one pulse per litre. The trough has a float that shuts the water off by \
itself; tell the app so with the switch Intermittent, since a zone in which the water stops \
during a run would otherwise be reported as clogged.
# 4 First start
## 4.1 Inserting the cells
- Touch the earth rod or the pipe, to discharge yourself.
- Insert both cells with the plus pole to the left.
- Wait for the light: three short green flashes mean that the self-test has passed.
- A steady red light means a reversed cell. Take both out at once and wait for a minute.
## 4.2 Pairing
Open the installer app, choose Add device, and scan the yellow card. Press the button on the \
controller within two minutes. The light blinks blue during the search and turns green when a \
gateway has answered. If nothing has answered after ten minutes, the controller goes to sleep to \
spare its cells and tries again every hour; a press on the button starts the search at once.
## 4.3 Testing the valves
The app opens each valve for 20 seconds, one after the other. Watch the water and not the screen. \
Confirm each valve by hand. Then close the main tap, open valve 1, and check that the app reports \
no flow. This test proves that the meter, the wiring and the alarm belong together.
## 4.4 Leak test
With all valves closed and the main tap open, watch the pressure for ten minutes. A loss of up to \
0.1 bar is acceptable. A loss of more than 0.3 bar must be found before the trench is filled.
## 4.5 Handover
Show the customer the red-handled tap, the button and the padlock in the app. Write the pressure, \
the flow of each zone and the date on the label inside the lid. The customer signs on your \
screen.
## 4.6 Before the first winter
Read these four points to the customer, even in May. The water is turned off at the main tap. \
Winterise is chosen in the app while somebody stands beside the manifold with the compressor. The \
pipes are blown out, farthest zone first. The controller may stay outside, with its cells in, and \
sends a sign of life each day until spring.
If the controller is to be stored indoors, choose Hibernate: it then listens once an hour only \
and uses less than a tenth of the energy. Do not put it into a freezer or a closed metal \
cupboard; in the cupboard it searches for its gateway all winter long.
# 5 Technical data
| Quantity | Value | Remark
| Supply | 2 lithium cells, size D, 3.6 V | not rechargeable
| Life of the cells | 5 years | at 12 valve movements a day
| Current asleep | 38 microamperes | at 20 degrees
| Pulse for valves | 10.5 V from 4,700 microfarad | 30 ms, strong 80 ms
| Flow input | up to 20 pulses per second | reed contact or open collector
| Pressure input | 0.5 to 4.5 V | supplied only while reading
| Radio | 868 MHz, 14 dBm | LoRa, class A with listening windows
| Temperature | -20 to +65 degrees | cells are weaker in the cold
| Protection | IP67 | 30 minutes at a depth of 1 m
| Dimensions | 168 x 122 x 71 mm | without glands
| Mass | 890 g | without cells
| Programmes stored | 16 | each with up to 6 starts a day
| Log in the device | 4,000 events | oldest overwritten first
# 6 Faults during installation
The app shows a code when something is wrong. Those below are met on the first day; the full list \
is kept by support.
- E301 at all four valves: the common wire is off. At one valve: that wire is off.
- E302: water in a splice or a nail through the cable. Disconnect at the controller and measure.
- E308 during the valve test: air in the pipe. Open the drain at the far end and run the zone \
again.
- The valve clicks twice: it is a valve for 24 V AC with a converter. These are not supported.
- The light stays dark although the cells are in: the plastic strip under the contact was not \
pulled.
- The app finds no controller: somebody else has paired it. Ask for the name that stands on the \
handover form.
- Zone 2 opens when zone 1 is started: the cores were counted from the wrong end. Number them \
with the meter.
- The flow shows zero although water runs: the arrow of the meter points the wrong way, or F+ and \
F- are not pushed in fully.
- The flow shows ten times too much: the pulse volume is that of another size of meter.
# 7 Taking out of service
Choose Retire in the app before you remove the controller; otherwise it counts as lost, and the \
customer is alarmed. Take the cells out, tape their poles, and bring them to a collection point. \
They contain lithium metal and must not go into household waste or fire. The board and the \
housing are taken back by us free of charge. The housing is marked for recycling as ASA.
A controller that moves to another customer is reset by holding the button for twenty seconds \
with the lid open. This deletes programmes, log and pairing, but not the serial number or the \
counter of valve movements.
# 8 Declaration
Dunmere Instruments declares that the Sluice 4 complies with the directives on radio equipment \
and on hazardous substances. The full text can be had from support under the number DI-SL4-03. \
This is edition 6 of the manual. It replaces edition 5, in which the colours of the flow meter \
were given the wrong way round.
"""


@dataclass(slots=True)
class Layout:
    """Pages of drawing operators, filled from top to bottom, and the chapters for the outline."""

    pages: list[list[str]] = field(default_factory=list)
    chapters: list[tuple[str, int, float]] = field(default_factory=list)
    y_pt: float = 0.0

    def need(self, height_pt: float) -> None:
        """Start a new page unless so much is left on this one."""
        if not self.pages or self.y_pt - height_pt < BOTTOM_PT:
            self.pages.append([])
            self.y_pt = TOP_PT

    def line(self, text: str, x_pt: float, font: str = "F1", size_pt: float = BODY_SIZE_PT) -> None:
        """Show one line of text at the present height."""
        self.pages[-1].append(
            f"BT /{font} {size_pt:g} Tf {x_pt:g} {self.y_pt:g} Td ({_escaped(text)}) Tj ET"
        )

    def heading(self, text: str, *, chapter: bool) -> None:
        """A heading that keeps at least three lines of its text on the same page."""
        self.need(90 if chapter else 70)
        self.y_pt -= 14 if chapter else 6
        if chapter:
            self.chapters.append((text, len(self.pages) - 1, self.y_pt + 18))
        self.line(text, LEFT_PT, "F2", 15 if chapter else 11.5)
        self.y_pt -= 24 if chapter else 18

    def paragraph(self, text: str, *, bullet: bool = False) -> None:
        """Running text, ragged on the right."""
        indent_pt = 14 if bullet else 0
        lines = _wrapped(text, RIGHT_PT - LEFT_PT - indent_pt)
        for number, words in enumerate(lines):
            self.need(LEADING_PT)
            if bullet and number == 0:
                self.line("\u2022  " + words, LEFT_PT)
            else:
                self.line(words, LEFT_PT + indent_pt)
            self.y_pt -= LEADING_PT
        self.y_pt -= 2 if bullet else 6

    def row(self, cells: list[str], *, header: bool) -> None:
        """A row of the table, with a rule under it."""
        self.need(20)
        for x_pt, cell in zip((LEFT_PT, 190, 372), cells, strict=True):
            self.line(cell, x_pt, "F2" if header else "F1", 9.5)
        rule_pt = self.y_pt - 5
        self.pages[-1].append(f"0.5 w {LEFT_PT} {rule_pt:g} m {RIGHT_PT} {rule_pt:g} l S")
        self.y_pt -= 18


def _escaped(text: str) -> str:
    for sign in "\\()":
        text = text.replace(sign, "\\" + sign)
    return text


def _wrapped(text: str, width_pt: float) -> list[str]:
    lines, current = [], ""
    for word in text.split():
        longer = f"{current} {word}".strip()
        if sum(ADVANCES.get(sign, 556) for sign in longer) * BODY_SIZE_PT / 1000 > width_pt:
            lines.append(current)
            longer = word
        current = longer
    return [*lines, current]


def _laid_out() -> Layout:
    layout = Layout()
    header = True
    for block in MANUAL.splitlines():
        if block.startswith("#"):
            layout.heading(block.lstrip("# "), chapter=block.startswith("# "))
            header = True
        elif block.startswith("| "):
            layout.row([cell.strip() for cell in block[2:].split("|")], header=header)
            header = False
        elif block.startswith("- "):
            layout.paragraph(block[2:], bullet=True)
        else:
            layout.paragraph(block)
    return layout


def _content(operators: list[str], number: int, count: int) -> bytes:
    header = f"BT /F1 8.5 Tf {LEFT_PT} 800 Td ({_escaped(TITLE)}) Tj ET"
    footer = [
        f"BT /F1 8.5 Tf {LEFT_PT} 48 Td (Dunmere Instruments, edition 6) Tj ET",
        f"BT /F1 8.5 Tf 482 48 Td (Page {number} of {count}) Tj ET",
    ]
    return "\n".join([header, *operators, *footer]).encode("cp1252")


def build() -> bytes:
    """The whole file: catalogue, fonts, outline, pages, cross-reference table."""
    layout = _laid_out()
    count, chapters = len(layout.pages), layout.chapters
    first_page, first_chapter = 7, 7 + 2 * count
    kids = " ".join(f"{first_page + 2 * i} 0 R" for i in range(count))
    last_chapter = first_chapter + len(chapters) - 1
    font = "<< /Type /Font /Subtype /Type1 /BaseFont /{} /Encoding /WinAnsiEncoding >>"
    objects = [
        "<< /Type /Catalog /Pages 2 0 R /Outlines 6 0 R /Lang (en) >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {count} >>",
        font.format("Helvetica"),
        font.format("Helvetica-Bold"),
        f"<< /Title ({_escaped(TITLE)}) /Author (Dunmere Instruments) /Subject (Irrigation) >>",
        f"<< /Type /Outlines /First {first_chapter} 0 R /Last {last_chapter} 0 R"
        f" /Count {len(chapters)} >>",
    ]
    bodies = [text.encode("cp1252") for text in objects]
    for index, operators in enumerate(layout.pages):
        stream = _content(operators, index + 1, count)
        page = (
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {PAGE_WIDTH_PT} {PAGE_HEIGHT_PT}]"
            f" /Resources << /Font << /F1 3 0 R /F2 4 0 R >> >>"
            f" /Contents {first_page + 2 * index + 1} 0 R >>"
        )
        bodies.append(page.encode())
        bodies.append(b"<< /Length %d >>\nstream\n%b\nendstream" % (len(stream), stream))
    for index, (title, page_index, y_pt) in enumerate(chapters):
        number = first_chapter + index
        before = f" /Prev {number - 1} 0 R" if index else ""
        after = f" /Next {number + 1} 0 R" if number < last_chapter else ""
        bodies.append(
            f"<< /Title ({_escaped(title)}) /Parent 6 0 R{before}{after}"
            f" /Dest [{first_page + 2 * page_index} 0 R /XYZ 0 {y_pt:g} 0] >>".encode("cp1252")
        )
    return _assembled(bodies)


def _assembled(bodies: list[bytes]) -> bytes:
    out = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
    offsets = []
    for number, body in enumerate(bodies, start=1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    table = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(bodies) + 1)
    for offset in offsets:
        out += b"%010d 00000 n \n" % offset
    out += b"trailer\n<< /Size %d /Root 1 0 R /Info 5 0 R >>\n" % (len(bodies) + 1)
    out += b"startxref\n%d\n%%%%EOF\n" % table
    return bytes(out)


def main() -> None:
    """Write the manual to the path given, or beside this script."""
    default = Path(__file__).parent / "manuals" / "sluice-4-installer-manual.pdf"
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", nargs="?", type=Path, default=default)
    output = parser.parse_args().output
    output.write_bytes(build())
    print(output)


if __name__ == "__main__":
    main()
