#include "viz/console.hpp"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>

namespace viz {

namespace {

bool terminal_with_colour() {
    const char* no_color = std::getenv("NO_COLOR");
    return isatty(STDOUT_FILENO) == 1 && (no_color == nullptr || *no_color == '\0');
}

}  // namespace

Console::Console() : colour_(terminal_with_colour()) {}

std::string Console::styled(std::string_view code, std::string_view text) const {
    if (!colour_) return std::string(text);
    return "\x1b[" + std::string(code) + "m" + std::string(text) + "\x1b[0m";
}

std::size_t width_of(std::string_view text) {
    // Bytes 10xxxxxx continue a code point, all others begin one.
    const auto begins = [](char byte) { return (static_cast<unsigned char>(byte) & 0xc0) != 0x80; };
    return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), begins));
}

std::string padded(std::string_view text, std::size_t width) {
    const std::size_t taken = width_of(text);
    return std::string(text) + std::string(width > taken ? width - taken : 0, ' ');
}

std::string bar(double share, std::size_t width) {
    static constexpr const char* eighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    const long blocks = std::lround(std::clamp(share, 0.0, 1.0) * static_cast<double>(width) * 8.0);
    std::string text;
    for (long i = 0; i < blocks / 8; ++i) text += "█";
    return text + eighths[blocks % 8];
}

}  // namespace viz
