#include "viz/colour_scale.hpp"

#include <algorithm>
#include <cmath>

namespace viz {

ColourScale::ColourScale(const Range& range) {
    if (range.least < 0) {
        to_ = std::max(-range.least, range.largest);
        from_ = -to_;
    } else {
        const bool far_from_zero = range.least > range.largest / 2 && range.least < range.largest;
        from_ = far_from_zero ? range.least : 0;
        to_ = range.largest > 0 ? range.largest : 1;
    }
}

double ColourScale::strength(double value) const {
    if (diverging()) return std::clamp(value / to_, -1.0, 1.0);
    return std::clamp((value - from_) / (to_ - from_), 0.0, 1.0);
}

Colour on_dark(double strength) {
    constexpr Colour ground{28, 28, 32}, below{86, 180, 233}, above{230, 159, 0};
    const Colour& end = strength < 0 ? below : above;
    const auto mixed = [share = std::min(std::abs(strength), 1.0)](std::uint8_t a, std::uint8_t b) {
        return static_cast<std::uint8_t>(std::lround(a + share * (b - a)));
    };
    return {mixed(ground.red, end.red), mixed(ground.green, end.green), mixed(ground.blue, end.blue)};
}

Colour on_dark_in_steps(double strength) {
    static constexpr Colour below[] = {{28, 28, 28}, {0, 95, 135}, {0, 135, 175}, {95, 175, 215}, {135, 215, 255}};
    static constexpr Colour above[] = {{28, 28, 28}, {135, 95, 0}, {175, 95, 0}, {215, 135, 0}, {255, 175, 0}};
    const long step = std::lround(4 * std::min(std::abs(strength), 1.0));
    return strength < 0 ? below[step] : above[step];
}

}  // namespace viz
