#include "viz/drawing.hpp"

#include "gemma/text/utf8.hpp"
#include "viz/console.hpp"
#include "viz/numbers.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <sstream>

namespace viz {

namespace {

constexpr double title_size = 15;

// Colours: Okabe and Ito. All of .s0 … .s5 are legible on white and on black.
constexpr const char* style = R"(
.viz-picture{color:var(--viz-text,var(--jp-content-font-color1,#24292f));max-width:100%;height:auto;font:13px system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
.viz-picture text{fill:currentColor}
.viz-picture .title{font-size:15px;font-weight:600}
.viz-picture .quiet{fill-opacity:.75}
.viz-picture .grid{stroke:currentColor;stroke-opacity:.13}
.viz-picture .axis{stroke:currentColor;stroke-opacity:.55}
.viz-picture .curve{fill:none;stroke-width:2;stroke-linejoin:round;stroke-linecap:round}
.viz-picture .s0{--c:#0072b2}.viz-picture .s1{--c:#d55e00}.viz-picture .s2{--c:#009e73}
.viz-picture .s3{--c:#cc79a7}.viz-picture .s4{--c:#e69f00}.viz-picture .s5{--c:#56b4e9}
.viz-picture .curve{stroke:var(--c)}.viz-picture .dot,.viz-picture .bar{fill:var(--c)}
.viz-picture .below{fill:var(--viz-below,#0072b2)}.viz-picture .above{fill:var(--viz-above,#d55e00)}
.viz-picture .none{fill:currentColor;fill-opacity:.15}
.viz-picture .cells{shape-rendering:crispEdges}
.viz-picture .frame{fill:none;stroke:currentColor;stroke-opacity:.3}
.viz-picture .strong{fill:var(--viz-strong,#fff)}
@media (prefers-color-scheme:dark){
.viz-picture{color:var(--viz-text,var(--jp-content-font-color1,#d8dee6))}
.viz-picture .s0{--c:#3d9fdc}
.viz-picture .below{fill:var(--viz-below,#56b4e9)}.viz-picture .above{fill:var(--viz-above,#e69f00)}
.viz-picture .strong{fill:var(--viz-strong,#111)}
}
)";

std::string with_minus_signs(std::string_view text) {
    std::string result;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool sign = text[i] == '-' && i + 1 < text.size() &&
                          std::isdigit(static_cast<unsigned char>(text[i + 1])) && (i == 0 || text[i - 1] == ' ');
        result += sign ? "−" : std::string(1, text[i]);
    }
    return result;
}

}  // namespace

std::string escaped(std::string_view text) {
    std::string result;
    for (const char c : gemma::valid_utf8(std::string(text))) {
        switch (c) {
            case '&': result += "&amp;"; break;
            case '<': result += "&lt;"; break;
            case '>': result += "&gt;"; break;
            case '"': result += "&quot;"; break;
            case '\'': result += "&#39;"; break;
            case '\n':
            case '\t': result += ' '; break;
            default:
                if (static_cast<unsigned char>(c) >= 0x20) result += c;
        }
    }
    return result;
}

std::string at(double coordinate) {
    const double rounded = std::round(coordinate * 10) / 10;
    return fmt::format("{:.{}f}", rounded == 0 ? 0.0 : rounded, rounded == std::round(rounded) ? 0 : 1);
}

std::string text_element(double x, double y, std::string_view text, Anchor anchor, std::string_view attributes) {
    static constexpr const char* anchors[] = {"", R"( text-anchor="middle")", R"( text-anchor="end")"};
    return fmt::format("<text x=\"{}\" y=\"{}\"{}{}{}>{}</text>\n", at(x), at(y), anchors[static_cast<int>(anchor)],
                       attributes.empty() ? "" : " ", attributes, escaped(with_minus_signs(text)));
}

std::string line_element(double x1, double y1, double x2, double y2, std::string_view css_class) {
    return fmt::format("<line x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\" class=\"{}\"/>\n", at(x1), at(y1), at(x2), at(y2),
                       css_class);
}

double text_width(std::string_view text, double size) { return 0.56 * size * static_cast<double>(width_of(text)); }

std::vector<std::string> wrapped_text(std::string_view text, double width, double size) {
    std::vector<std::string> lines(1);
    std::istringstream words{std::string(text)};
    for (std::string word; words >> word;) {
        if (!lines.back().empty() && text_width(lines.back() + " " + word, size) > width) lines.emplace_back();
        lines.back() += (lines.back().empty() ? "" : " ") + word;
    }
    return lines;
}

std::string spoken(double value) { return number(value, 3); }

std::string picture(double width, double height, std::string_view title, std::string_view description,
                    std::string_view elements) {
    return fmt::format(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"viz-picture\" role=\"img\" width=\"{0}\" "
        "height=\"{1}\" viewBox=\"0 0 {0} {1}\">\n<title>{2}</title>\n<desc>{3}</desc>\n"
        "<style>{4}</style>\n{5}</svg>\n",
        at(width), at(height), escaped(title), escaped(description), style, elements);
}

namespace {

constexpr double title_left = 12;

std::vector<std::string> title_lines(std::string_view title) {
    return wrapped_text(title, picture_width - 2 * title_left, title_size);
}

}  // namespace

double title_width(std::string_view title) {
    double width = 0;
    for (const std::string& line : title_lines(title)) width = std::max(width, text_width(line, title_size));
    return title_left + 1.08 * width;  // bold letters are wider
}

std::string title_element(std::string_view title, double& y) {
    std::string elements;
    if (title.empty()) return elements;
    for (const std::string& line : title_lines(title)) {
        y += title_size + 4;
        elements += text_element(title_left, y, line, Anchor::start, "class=\"title\"");
    }
    y += 10;
    return elements;
}

}  // namespace viz
