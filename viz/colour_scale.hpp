// From numbers to colours: blue below zero, orange above it, the stronger the further away.
//
// Zero is no colour: it shows what is behind, so that a picture fits a light and a dark page. Where no number is
// negative and all are far from zero, the least has no colour. Blue and orange of Okabe and Ito, "Color universal
// design" (2008), stay apart for colour-blind eyes.
#pragma once

#include "viz/numbers.hpp"

#include <cstdint>

namespace viz {

struct Colour {
    std::uint8_t red, green, blue;
};

class ColourScale {
public:
    /// The scale for finite numbers in that range.
    explicit ColourScale(const Range& range);

    /// Where its ends are.
    double from() const { return from_; }
    double to() const { return to_; }

    /// Blue and orange, or orange alone.
    bool diverging() const { return from_ < 0; }

    /// -1 the strongest blue, 0 no colour, 1 the strongest orange. Numbers beyond the ends have the ends' colours.
    double strength(double value) const;

private:
    double from_;
    double to_;
};

/// The colour of a strength on a dark ground, for terminals.
Colour on_dark(double strength);

/// The same in nine steps, each of them a colour of the 256 that terminals have: between those the hue would jump.
Colour on_dark_in_steps(double strength);

}  // namespace viz
