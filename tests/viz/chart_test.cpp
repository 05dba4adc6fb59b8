#include "viz/chart.hpp"

#include "tests/support/bar_chart.hpp"
#include "tests/support/error_message.hpp"
#include "tests/support/xml.hpp"
#include "viz/axis.hpp"
#include "viz/colour_scale.hpp"
#include "viz/drawing.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

namespace viz {

using gemma::error_message;

namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();

std::vector<std::string> texts(const std::vector<Tick>& ticks) {
    std::vector<std::string> texts;
    for (const Tick& tick : ticks) texts.push_back(tick.text);
    return texts;
}

using Texts = std::vector<std::string>;

bool has_text(const XmlElement& picture, const std::string& wanted) {
    for (const XmlElement& text : picture.all("text")) {
        if (text.text == wanted) return true;
    }
    return false;
}

// Where the text of a tick stands: the ground against which points are measured. Those of x stand in the middle.
double tick_place(const XmlElement& picture, double wanted, const std::string& coordinate) {
    for (const XmlElement& text : picture.all("text")) {
        const bool middle = text.attributes.count("text-anchor") && text.attributes.at("text-anchor") == "middle";
        double value = nan;
        if (middle == (coordinate == "x") && std::sscanf(text.text.c_str(), "%lf", &value) == 1 && value == wanted) {
            return text.number(coordinate);
        }
    }
    FAIL("no tick ", wanted);
    return nan;
}

// Where a picture's points are: a round one begins at its left end.
std::vector<std::pair<double, double>> dots(const XmlElement& picture) {
    std::vector<std::pair<double, double>> places;
    for (const XmlElement& dot : picture.of_class("dot")) {
        double x = 0, y = 0;
        REQUIRE(std::sscanf(dot.attributes.at("d").c_str(), "M%lf %lf", &x, &y) == 2);
        places.emplace_back(x + 3.5, y);
    }
    return places;
}

std::vector<std::string> curves(const XmlElement& picture) {
    std::vector<std::string> curves;
    for (const XmlElement& frame : picture.all("svg")) {
        for (const XmlElement& path : frame.of_class("curve")) curves.push_back(path.attributes.at("d"));
    }
    return curves;
}

Chart points_at(std::vector<double> x, std::vector<double> y) {
    return {"points", {"x"}, {"y"}, {{"", std::move(x), std::move(y), Mark::points}}};
}

}  // namespace

TEST_CASE("Ticks are round numbers between the ends") {
    CHECK(texts(ticks({-4, 4, false}, 8)) == Texts{"-4", "-3", "-2", "-1", "0", "1", "2", "3", "4"});
    CHECK(texts(ticks({0, 1, false}, 6)) == Texts{"0.0", "0.2", "0.4", "0.6", "0.8", "1.0"});
    CHECK(texts(ticks({-0.00047, 0.0002, false}, 5)) == Texts{"-0.0004", "-0.0002", "0.0000", "0.0002"});
    CHECK(texts(ticks({0, 256000, false}, 6)) == Texts{"0", "50,000", "100,000", "150,000", "200,000", "250,000"});
    CHECK(texts(ticks({0, 3e9, false}, 3)) == Texts{"0", "1·10⁹", "2·10⁹", "3·10⁹"});
    CHECK(texts(ticks({-2e-7, 1e-7, false}, 3)) == Texts{"-2·10⁻⁷", "-1·10⁻⁷", "0", "1·10⁻⁷"});
    CHECK(texts(ticks({1e-8, 1, true}, 8)) ==
          Texts{"10⁻⁸", "10⁻⁷", "10⁻⁶", "10⁻⁵", "10⁻⁴", "10⁻³", "10⁻²", "10⁻¹", "10⁰"});
    CHECK(texts(ticks({1, 8192, true}, 8)) == Texts{"1", "10", "100", "1,000"});
    CHECK(texts(ticks({1, 1e6, true}, 6)).back() == "1,000,000");
    CHECK(texts(ticks({1, 100, true}, 8)) == Texts{"1", "2", "5", "10", "20", "50", "100"});
    CHECK(texts(ticks({40, 60, true}, 5)) == Texts{"40", "45", "50", "55", "60"});
}

TEST_CASE("Numbers that count have no ticks between them") {
    CHECK(texts(ticks(scales(points_at({0, 1, 2, 3}, {1, 2, 3, 4})).x, 8)) == Texts{"0", "1", "2", "3"});
    CHECK(texts(ticks(scales(points_at({0, 1.5, 3}, {1, 2, 3})).x, 8)).size() > 4);
}

TEST_CASE("Round ends hold all numbers; on a linear scale they are ticks themselves") {
    for (const double size : {1e-9, 0.037, 1.0, 7.0, 12345.0, 3e8}) {
        for (const bool logarithmic : {false, true}) {
            CAPTURE(size);
            CAPTURE(logarithmic);
            const Range range{(logarithmic ? 0.013 : -0.31) * size, 1.7 * size, true};
            const Scale scale = scale_of({"", logarithmic}, range, Ends::round, "axis");
            CHECK(scale.from <= range.least);
            CHECK(scale.to >= range.largest);
            const std::vector<Tick> marks = ticks(scale, 9);
            CHECK(marks.size() >= 3);
            CHECK(marks.size() <= 11);
            if (!logarithmic) {
                CHECK(marks.front().value == doctest::Approx(scale.from));
                CHECK(marks.back().value == doctest::Approx(scale.to));
            }
            for (const Tick& tick : marks) CHECK(scale.holds(tick.value));
        }
    }
    const Scale alone = scale_of({}, {5, 5, true}, Ends::tight, "axis");
    CHECK(alone.from < 5);
    CHECK(alone.to > 5);
    const Scale asked = scale_of({"", false, 0.0, 3.3}, {1, 2, true}, Ends::round, "axis");
    CHECK(asked.from == 0);
    CHECK(asked.to == 3.3);
}

TEST_CASE("A place is linear in the number, or in its logarithm") {
    CHECK(Scale{-2, 6, false}.place(0) == doctest::Approx(0.25));
    CHECK(Scale{1, 1e4, true}.place(100) == doctest::Approx(0.5));
    CHECK_FALSE(Scale{1, 10, true}.can_show(0));
    CHECK_FALSE(Scale{0, 10, false}.can_show(nan));
    CHECK_FALSE(Scale{0, 10, false}.holds(10.1));
}

TEST_CASE("A chart's points stand where the ticks say") {
    const XmlElement linear = parse_xml(svg(points_at({0, 1, 2, 4}, {0, 10, 20, 40})));
    const auto places = dots(linear);
    REQUIRE(places.size() == 4);
    CHECK(places[0].first == doctest::Approx(tick_place(linear, 0, "x")).epsilon(0.001));
    CHECK(places[3].first == doctest::Approx(tick_place(linear, 4, "x")).epsilon(0.001));
    CHECK(places[2].second + 4 == doctest::Approx(tick_place(linear, 20, "y")).epsilon(0.001));
    CHECK(places[2].first - places[1].first == doctest::Approx((places[3].first - places[2].first) / 2).epsilon(0.01));
    CHECK(places[1].second - places[2].second ==
          doctest::Approx((places[2].second - places[3].second) / 2).epsilon(0.01));

    Chart chart = points_at({1, 10, 100, 1000}, {1e-6, 1e-4, 1e-3, 1});
    chart.x.logarithmic = chart.y.logarithmic = true;
    const auto logarithmic = dots(parse_xml(svg(chart)));
    REQUIRE(logarithmic.size() == 4);
    CHECK(logarithmic[1].first - logarithmic[0].first ==
          doctest::Approx(logarithmic[3].first - logarithmic[2].first).epsilon(0.01));
    CHECK(logarithmic[0].second - logarithmic[1].second ==
          doctest::Approx(2 * (logarithmic[1].second - logarithmic[2].second)).epsilon(0.01));
}

TEST_CASE("A curve has gaps where there is no number, and stays inside its frame") {
    Chart chart{"gap", {"x"}, {"y"}, {{"f", {0, 1, 2, 3, 4}, {1, 2, nan, 2, 1}}}};
    const std::vector<std::string> gap = curves(parse_xml(svg(chart)));
    REQUIRE(gap.size() == 1);
    CHECK(std::count(gap[0].begin(), gap[0].end(), 'M') == 2);
    CHECK(std::count(gap[0].begin(), gap[0].end(), 'L') == 2);

    chart.y.to = 1.5;  // the curve goes beyond it, into what the inner frame hides
    const XmlElement cut = parse_xml(svg(chart));
    const XmlElement frame = cut.all("svg").at(0);
    CHECK(frame.number("y") > 0);
    CHECK(frame.number("y") + frame.number("height") < cut.number("height"));

    chart.y.to = {};
    chart.y.logarithmic = true;
    chart.series[0].y = {1, 0, 10, -1, 100};
    const XmlElement above_zero = parse_xml(svg(chart));
    CHECK(has_text(above_zero, "2 numbers not above zero are left out"));
}

TEST_CASE("Series differ by colour and by dashes or shape, and have their names in a legend above the curves") {
    const auto line = [](double x) { return x; };
    Chart chart{"many", {"x"}, {"y"}, {}};
    for (const char* name : {"a", "b", "c"}) chart.series.push_back(curve(name, 0, 1, line, 5));
    chart.series.push_back({"d", {0, 1}, {0, 1}, Mark::dashes});
    const XmlElement picture = parse_xml(svg(chart));
    std::map<std::string, int> looks;
    double top = 1000;
    for (const XmlElement& frame : picture.all("svg")) {
        top = frame.number("y");
        for (const XmlElement& path : frame.of_class("curve")) {
            const auto dashes = path.attributes.find("stroke-dasharray");
            ++looks[dashes == path.attributes.end() ? "" : dashes->second];
        }
    }
    CHECK(looks.size() == 4);
    for (const XmlElement& text : picture.all("text")) {
        if (text.text.size() == 1 && text.text >= "a" && text.text <= "d") CHECK(text.number("y") < top);
    }
}

TEST_CASE("The same numbers give the same bytes, and no identifier stands in the way of another picture") {
    const Chart chart = points_at({0, 1}, {0.1, 0.2});
    const BarChart bars = bar_chart("bars", "value", {{"a", 1}, {"b", -2.5}});
    const HeatMap map{"map", "row", "column", {{1, -2}, {0, nan}}};
    CHECK(svg(chart) == svg(chart));
    for (const std::string& picture : {svg(chart), svg(bars), svg(map)}) {
        CHECK(picture.find(" id=") == std::string::npos);
        const XmlElement root = parse_xml(picture);
        CHECK(root.name == "svg");
        CHECK(root.attributes.at("role") == "img");
        CHECK(root.attributes.at("viewBox") ==
              "0 0 " + root.attributes.at("width") + " " + root.attributes.at("height"));
        CHECK(root.children.at(0).name == "title");
        CHECK(root.children.at(1).name == "desc");
        // The style reaches nothing else on a page.
        const std::string style = root.all("style").at(0).text;
        for (std::size_t brace = style.find('{'); brace != std::string::npos; brace = style.find('{', brace + 1)) {
            const std::size_t begin = style.find_last_of("}\n{", brace - 1) + 1;
            const std::string selector = style.substr(begin, brace - begin);
            CHECK((selector.rfind(".viz-picture", 0) == 0 || selector.rfind("@media", 0) == 0));
        }
    }
}

TEST_CASE("Texts are escaped") {
    const std::string hard = "a<b> & \"c\" 'd'";
    Chart chart = points_at({0, 1}, {0, 1});
    chart.title = chart.series[0].label = chart.x.label = chart.y.label = hard;
    const XmlElement picture = parse_xml(svg(chart));
    CHECK(picture.children.at(0).text == hard);
    CHECK(has_text(picture, hard));
    CHECK(has_text(parse_xml(svg(bar_chart(hard, hard, {{hard, 1}}))), hard));
    CHECK(has_text(parse_xml(svg(HeatMap{hard, hard, hard, {{1}}, {hard}, {hard}})), hard));
    CHECK(escaped("\x01\n\xff") == " �");
}

TEST_CASE("Bars are as long as their numbers, begin at zero and say them") {
    const XmlElement picture = parse_xml(svg(bar_chart("bars", "value", {{"a", 4}, {"b", -2}, {"c", nan}, {"d", 1}})));
    const std::vector<XmlElement> bars = picture.of_class("bar");
    REQUIRE(bars.size() == 4);
    const double unit = bars[3].number("width");
    CHECK(bars[0].number("width") == doctest::Approx(4 * unit).epsilon(0.01));
    CHECK(bars[1].number("width") == doctest::Approx(2 * unit).epsilon(0.01));
    CHECK(bars[2].number("width") == 0);
    CHECK(bars[1].number("x") + bars[1].number("width") == doctest::Approx(bars[0].number("x")).epsilon(0.001));
    CHECK(bars[0].number("y") < bars[1].number("y"));
    for (const char* text : {"a", "b", "4", "−2", "–"}) CHECK(has_text(picture, text));
    CHECK(bars[1].all("title").at(0).text == "b: -2");
}

TEST_CASE("A heat map is blue below zero and orange above, as strong as the number is large") {
    const XmlElement picture = parse_xml(
        svg(HeatMap{"map", "query", "key", {{4, -4, 2}, {0, -1, -infinity}}, {"r0", "r1"}, {"c0", "c1", "c2"}}));
    const std::vector<XmlElement> cells = picture.of_class("cells").at(0).children;
    REQUIRE(cells.size() == 6);
    CHECK(cells[0].has_class("above"));
    CHECK(cells[1].has_class("below"));
    CHECK(cells[0].number("fill-opacity") == 1);
    CHECK(cells[1].number("fill-opacity") == 1);
    CHECK(cells[2].number("fill-opacity") == 0.5);
    CHECK(cells[3].number("fill-opacity") == 0);
    CHECK(cells[4].number("fill-opacity") == 0.25);
    CHECK(cells[5].has_class("none"));
    CHECK(cells[1].all("title").at(0).text == "r0, c1: -4");
    CHECK(cells[1].number("x") == doctest::Approx(cells[0].number("x") + cells[0].number("width")));
    CHECK(cells[3].number("y") == doctest::Approx(cells[0].number("y") + cells[0].number("height")));
    for (const char* text : {"r0", "r1", "c0", "c2", "query ↓", "key →"}) CHECK(has_text(picture, text));
}

TEST_CASE("A heat map of many cells draws each colour once") {
    HeatMap map{"many", "", "", std::vector<std::vector<double>>(100, std::vector<double>(100, 1))};
    map.rows[7][9] = -1;
    const XmlElement picture = parse_xml(svg(map));
    std::size_t paths = 0;
    for (const XmlElement& path : picture.all("path")) {
        const std::string& d = path.attributes.at("d");
        ++paths;
        // All rows are one rectangle each; the row with the other cell is two of the one and one of the other colour.
        CHECK(std::count(d.begin(), d.end(), 'M') == (path.has_class("below") ? 1 : 101));
    }
    CHECK(paths == 2);
}

TEST_CASE("The scale of colours has zero in the middle, or begins at zero, or at the least of numbers far from it") {
    const ColourScale both({-1, 3, true});
    CHECK(both.from() == -3);
    CHECK(both.to() == 3);
    CHECK(both.strength(0) == 0);
    CHECK(both.strength(-1.5) == -0.5);
    CHECK(both.strength(99) == 1);
    CHECK(ColourScale({0.1, 2, true}).from() == 0);
    CHECK(ColourScale({100, 101, true}).from() == 100);
    CHECK(ColourScale({100, 101, true}).strength(100.5) == 0.5);
    CHECK(ColourScale({0, 0, true}).strength(0) == 0);
    CHECK(ColourScale({-2, -1, true}).strength(-2) == -1);
    CHECK(on_dark(-1).blue > on_dark(-1).red);
    CHECK(on_dark(1).red > on_dark(1).blue);
    CHECK(on_dark(0.5).red > on_dark(0.25).red);
}

TEST_CASE("What cannot be drawn is an Error that says why") {
    CHECK(error_message([] { svg(Chart{"empty", {}, {}, {}}); }) == "chart \"empty\": there is no number to show");
    CHECK(error_message([] {
              svg(points_at({1, 2}, {nan, infinity}));
          }) == "chart \"points\": there is no number to show");
    CHECK(error_message([] { svg(points_at({1, 2}, {1})); }) == "chart \"points\": \"\" has 2 x and 1 y");
    CHECK(error_message([] {
              Chart chart = points_at({1, 2}, {1, 2});
              chart.x = {"x", true, 0.0};
              svg(chart);
          }) == "chart \"points\", x: a logarithmic axis ends at 0, expected a number above zero");
    CHECK(error_message([] {
              Chart chart = points_at({1, 2}, {1, 2});
              chart.y = {"y", false, 2.0, 1.0};
              svg(chart);
          }) == "chart \"points\", y: an axis from 2 to 1, expected the smaller end first");
    CHECK(error_message([] {
              svg(bar_chart("bars", "value", {{"a", nan}}));
          }) == "bar chart \"bars\": there is no number to show");
    CHECK(error_message([] {
              svg(HeatMap{"map", "", "", {{1, 2}, {3}}});
          }) == "heat map \"map\": rows of 2 and of 1 numbers");
    CHECK(error_message([] { svg(HeatMap{"map", "", "", {}}); }) == "heat map \"map\": there is no number to show");
    CHECK(error_message([] {
              svg(HeatMap{"map", "", "", {{nan}}});
          }) == "heat map \"map\": there is no number to show");
    CHECK(error_message([] {
              svg(HeatMap{"map", "", "", {{1}}, {"a", "b"}});
          }) == "heat map \"map\": 1 rows, but 2 row labels");
    CHECK(error_message([] {
              svg(HeatMap{"map", "", "", {{1}}, {}, {"a", "b"}});
          }) == "heat map \"map\": 1 columns, but 2 column labels");
}

}  // namespace viz
