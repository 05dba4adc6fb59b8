// Pictures as text: in a pipe, with 24-bit colours, with 256.
#include "tests/support/bar_chart.hpp"
#include "tests/support/error_message.hpp"
#include "viz/blocks.hpp"
#include "viz/colour_scale.hpp"
#include "viz/numbers.hpp"
#include "viz/plot.hpp"
#include "viz/sparkline.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>
#include <limits>

namespace viz {

namespace {

using Lines = std::vector<std::string>;

const double missing = std::nan("");
const Console plain(false), full(true), palette(Colours::palette);

std::string joined(const Lines& lines) {
    std::string text;
    for (const std::string& line : lines) text += line + "\n";
    return text;
}

std::size_t count(const std::string& text, const std::string& part) {
    std::size_t times = 0;
    for (std::size_t i = text.find(part); i != std::string::npos; i = text.find(part, i + part.size())) ++times;
    return times;
}

std::size_t widest(const Lines& lines) {
    std::size_t width = 0;
    for (const std::string& line : lines) width = std::max(width, width_of(line));
    return width;
}

// The first line that has this in it.
std::size_t line_of(const Lines& lines, const std::string& part) {
    for (std::size_t i = 0; i < lines.size(); ++i) {
        if (lines[i].find(part) != std::string::npos) return i;
    }
    return lines.size();
}

}  // namespace

TEST_CASE("A number has few digits") {
    CHECK(number(0.25) == "0.25");
    CHECK(number(-0.0) == "0");
    CHECK(number(3.14159) == "3.142");
    CHECK(number(3.14159, 2) == "3.1");
    CHECK(number(3e-8) == "3e-08");
}

TEST_CASE("A sparkline goes from the lowest block to the highest") {
    CHECK(sparkline({0, 1, 2, 3, 4, 5, 6, 7}, 8) == "▁▂▃▄▅▆▇█");
    CHECK(sparkline({-1, missing, 1}, 8) == "▁ █");
    CHECK(sparkline({5, 5}, 8) == "▅▅");
    CHECK(sparkline({}, 8).empty());
    CHECK(sparkline({0, 1, -3, 0, 0, 2}, 3) == "▇▁█");  // of two neighbours the one further from zero
}

TEST_CASE("Condensed numbers are those furthest from zero of groups of the same size") {
    CHECK(condensed({1, -2, 3}, 3) == std::vector<double>{1, -2, 3});
    CHECK(condensed({1, -2, 3, 0, 5}, 3) == std::vector<double>{-2, 3, 5});
    CHECK(condensed({missing, 1, -9, 2, 3, 4, 5}, 3) == std::vector<double>{-9, 4, 5});
}

TEST_CASE("Numbers stand in columns, and what has no room is left out in the middle") {
    const HeatMap map{"", "", "", {{1, -2.5}, {0.125, 10}}, {"a", "long"}, {"x", "y"}};
    CHECK(number_lines(map, 80, 10) == Lines{"          x      y",  //
                                             "a      1.00  -2.50",  //
                                             "long   0.12  10.00"});
    HeatMap large{"", "", "", {}};
    for (int i = 0; i < 100; ++i) large.rows.emplace_back(100, i);
    const Lines lines = number_lines(large, 60, 10);
    CHECK(lines.size() == 10);
    CHECK(widest(lines) <= 60);
    CHECK(lines[0].find("…") != std::string::npos);
    CHECK(lines[1].rfind("0 ", 0) == 0);
    CHECK(lines.back().rfind("99 ", 0) == 0);
    CHECK(line_of(lines, "…") < lines.size());
    CHECK(number_lines(HeatMap{"", "", "", {{1e-8, -3e-9}}}, 80, 10)[1] == "0   1.00e-08  -3.00e-09");
}

TEST_CASE("A heat map in a pipe has shades, other ones below zero") {
    const HeatMap map{"", "row", "column", {{4, 3, 2, 1, 0}, {-4, -3, -2, -1, missing}}, {"a", "b"}};
    const Lines lines = text(map, 13, 20, plain);
    REQUIRE(lines.size() == 5);
    CHECK(lines[1] == "a ██▓▓▒▒░░");
    CHECK(lines[2] == "b ⠿⠿⠶⠶⠒⠒⠂⠂··");
    CHECK(lines[3].rfind("  -4 ⠿", 0) == 0);
    CHECK(lines[4] == "  ↓ row   → column");
    CHECK(joined(lines).find('\x1b') == std::string::npos);
}

TEST_CASE("A heat map on a terminal has two rows in a line, in their colours") {
    const HeatMap map{"", "", "", {{1, 0}, {0, -1}, {1, 1}}};
    const Lines lines = text(map, 40, 20, full);
    REQUIRE(lines.size() == 1 + 2 + 1);
    const auto triple = [](Colour colour) {
        return std::to_string(colour.red) + ";" + std::to_string(colour.green) + ";" + std::to_string(colour.blue);
    };
    const std::string orange = triple(on_dark(1)), blue = triple(on_dark(-1)), ground = triple(on_dark(0));
    CHECK(lines[1] ==
          "0 \x1b[38;2;" + orange + ";48;2;" + ground + "m▀\x1b[0m\x1b[38;2;" + ground + ";48;2;" + blue + "m▀\x1b[0m");
    CHECK(lines[2] == "2 \x1b[38;2;" + orange + "m▀\x1b[0m\x1b[38;2;" + orange + "m▀\x1b[0m");
    CHECK(text(map, 40, 20, palette)[1] == "0 \x1b[38;5;214;48;5;234m▀\x1b[0m\x1b[38;5;234;48;5;117m▀\x1b[0m");
    // Rows that have names have lines of their own.
    HeatMap named = map;
    named.row_labels = {"a", "b", "c"};
    const Lines labelled = text(named, 40, 20, full);
    CHECK(labelled.size() == 1 + 3 + 1);
    CHECK(labelled[2].rfind("b ", 0) == 0);
}

TEST_CASE("A heat map keeps inside its columns and lines and says what a block stands for") {
    const HeatMap map{"", "", "", std::vector<std::vector<double>>(100, std::vector<double>(300, 1.0))};
    const Lines lines = text(map, 64, 24, plain);
    CHECK(widest(lines) <= 64);
    CHECK(lines.size() <= 24);
    CHECK(lines.back().find("a block: of 5 x 5 numbers") != std::string::npos);
    CHECK(text(map, 64, 24, full).size() <= 24);
    CHECK(gemma::error_message([] {
              text(HeatMap{"map", "", "", {{missing}}}, 64, 24, plain);
          }) == "heat map \"map\": there is no number to show");
}

TEST_CASE("A plot shows points where they are") {
    const Lines lines = text(Chart{"", {"x"}, {"y"}, {{"", {0, 1, 2}, {0, 20, 10}, Mark::points}}}, 40, 12, plain);
    CHECK(lines[0] == "y");
    CHECK(line_of(lines, "•") == 1);                                // the highest point is on the first line
    CHECK(lines[1].find("20 ┤") != std::string::npos);              // where 20 is
    CHECK(width_of(lines[1].substr(0, lines[1].find("•"))) == 21);  // in the middle of 36 columns behind "20 ┤"
    const std::size_t axis = line_of(lines, "└");
    REQUIRE(axis + 2 < lines.size());
    CHECK(lines[axis - 1].find(" 0 ┤•") == 0);  // the lowest on the last, at the left
    // The one in between halfway: the middle of an even number of lines is one of two.
    const std::size_t middle = line_of({lines.begin() + 2, lines.end()}, "•") + 2;
    CHECK(middle >= axis / 2);
    CHECK(middle <= axis / 2 + 1);
    CHECK(lines[axis + 2].find("x") != std::string::npos);
}

TEST_CASE("A plot is as straight as its line, on logarithmic axes too") {
    // y = x² is a line where both axes are logarithmic: each line of text has about as many braille
    // characters, of the 37 that ten lines share.
    Series square{"", {}, {}};
    for (double x = 1; x < 1001; x *= 1.1) square.x.push_back(x), square.y.push_back(x * x);
    square.x.push_back(1000), square.y.push_back(1e6);
    const Lines lines = text(Chart{"", {"", true}, {"", true}, {square}}, 48, 12, plain);
    std::size_t rows = 0;
    for (const std::string& line : lines) {
        const std::size_t begin = line.find("│") == std::string::npos ? line.find("┤") : line.find("│");
        if (begin == std::string::npos) continue;
        ++rows;
        std::size_t dots = 0;
        for (std::size_t i = begin + 3; i + 2 < line.size(); ++i) dots += line.compare(i, 1, "\xe2") == 0;
        CHECK(dots >= 3);
        CHECK(dots <= 5);
    }
    CHECK(rows == 10);
}

TEST_CASE("Series have letters, and a gap stays empty") {
    Chart chart{
        "", {}, {}, {{"up", {0, 1, 2, 3, 4}, {0, 1, missing, 3, 4}}, {"down", {0, 1, 2, 3, 4}, {4, 3, 2, 1, 0}}}};
    const Lines lines = text(chart, 60, 14, plain);
    CHECK(lines[0] == "a up   b down");
    CHECK(lines.size() == 14);
    CHECK(widest(lines) <= 60);
    std::string body;
    for (std::size_t i = 1; i < lines.size(); ++i) body += lines[i];
    CHECK(count(body, "a") == 3);
    CHECK(count(body, "b") == 3);
    CHECK(text(chart, 60, 14, plain) == lines);
    CHECK(joined(lines).find('\x1b') == std::string::npos);
    CHECK(count(joined(text(chart, 60, 14, full)), "\x1b[38;2;61;159;220m") > 10);
    chart.series[0].y[0] = 0;
    chart.y.logarithmic = true;
    CHECK(text(chart, 60, 14, plain).back() == "2 numbers not above zero are left out");
}

TEST_CASE("Bars as text") {
    const Lines lines = text(bar_chart("", "unit", {{"a", 4}, {"long", 2}, {"none", missing}}), 30, plain);
    REQUIRE(lines.size() == 4);
    CHECK(count(lines[0], "█") == 2 * count(lines[1], "█"));
    CHECK(lines[0].rfind("   a █", 0) == 0);
    CHECK(lines[0].substr(lines[0].size() - 2) == " 4");
    CHECK(lines[2] == "none  –");
    CHECK(lines[3] == "     unit");
    CHECK(widest(lines) <= 30);

    // Both ways from zero, which is in one column.
    const Lines both = text(bar_chart("", "", {{"a", 3}, {"b", -3}}), 30, plain);
    const std::size_t zero = width_of(both[0].substr(0, both[0].find("█")));
    CHECK(width_of(both[1].substr(0, both[1].rfind("█"))) + 1 == zero);
    CHECK(count(both[0], "█") == count(both[1], "█"));
}

TEST_CASE("The console's colours: as many as there are") {
    CHECK(plain.coloured("x", {1, 2, 3}) == "x");
    CHECK(Console(Colours::basic).coloured("x", {1, 2, 3}) == "x");
    CHECK(Console(Colours::basic).red("x") == "\x1b[31mx\x1b[0m");
    CHECK(full.coloured("x", {1, 2, 3}) == "\x1b[38;2;1;2;3mx\x1b[0m");
    // 16 + 36 r + 6 g + b of the levels 0, 95, 135, 175, 215, 255; greys are 232 + n at 8 + 10 n.
    CHECK(palette.coloured("x", {255, 0, 0}) == "\x1b[38;5;196mx\x1b[0m");
    CHECK(palette.coloured("x", {90, 140, 250}) == "\x1b[38;5;69mx\x1b[0m");
    CHECK(palette.coloured("x", {29, 27, 28}) == "\x1b[38;5;234mx\x1b[0m");
    CHECK(Console(false, 72).columns() == 72);
}

TEST_CASE("The steps of a scale are colours of the palette: it shows them as they are") {
    for (int step = -4; step <= 4; ++step) {
        const Colour colour = on_dark_in_steps(step / 4.0);
        const auto has_level = [](int value) {
            return value == 0 || (value >= 95 && (value - 95) % 40 == 0) || (value >= 8 && (value - 8) % 10 == 0);
        };
        CHECK((has_level(colour.red) && has_level(colour.green) && has_level(colour.blue)));
    }
}

TEST_CASE("Printable text is one line") { CHECK(printable("a\nb\t\x1b[1m√") == "a\\nb\\t\\x1b[1m√"); }

}  // namespace viz
