// The parts of an SVG picture, as text. Coordinates have one decimal, so that the same numbers give the same bytes.
//
// A picture has no identifiers, and its style names only what is inside class "viz-picture", so that many pictures can
// stand in one page. Its text has the page's colour where the page says so:
//   --viz-text    text and axes                  (in Jupyter: --jp-content-font-color1)
//   --viz-below   numbers below zero             --viz-above   numbers above zero
//   --viz-strong  text on the strongest of these colours
// else it follows prefers-color-scheme.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace viz {

/// Text as it stands in XML, between tags and in quotes. Control characters are left out, and what is no
/// UTF-8 becomes "�".
std::string escaped(std::string_view text);

/// A coordinate: "12.5".
std::string at(double coordinate);

/// Which end of a text stands at its place.
enum class Anchor { start, middle, end };

/// A text. A minus sign before a digit becomes a real one.
std::string text_element(double x, double y, std::string_view text, Anchor anchor = Anchor::start,
                         std::string_view attributes = "");

std::string line_element(double x1, double y1, double x2, double y2, std::string_view css_class);

/// About how wide a text is in a size of letters: the reader's font decides.
double text_width(std::string_view text, double size = 13);

/// The text in lines no wider than that.
std::vector<std::string> wrapped_text(std::string_view text, double width, double size = 13);

/// A number as a picture says it to those who hear it or point at it: three digits, so that sums which a processor
/// takes in another order read the same.
std::string spoken(double value);

/// The whole picture: its elements in a frame of that size, with a title and a description for those who hear it.
std::string picture(double width, double height, std::string_view title, std::string_view description,
                    std::string_view elements);

constexpr double picture_width = 640, margin = 12;

/// The title's lines at the top. Moves `y`, where the picture goes on.
std::string title_element(std::string_view title, double& y);

/// About how far to the right the title reaches.
double title_width(std::string_view title);

}  // namespace viz
