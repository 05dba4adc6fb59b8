#include "viz/console.hpp"

#include "viz/colour_scale.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>

namespace viz {

namespace {

std::string environment(const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? "" : value;
}

Colours colours_of_output() {
    const std::string term = environment("TERM"), colorterm = environment("COLORTERM");
    if (isatty(STDOUT_FILENO) != 1 || !environment("NO_COLOR").empty() || term == "dumb") return Colours::none;
    if (colorterm == "truecolor" || colorterm == "24bit") return Colours::full;
    return term.find("256") != std::string::npos ? Colours::palette : Colours::basic;
}

std::size_t columns_of_output() {
    winsize size{};
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
    const long columns = std::strtol(environment("COLUMNS").c_str(), nullptr, 10);
    return columns > 0 ? static_cast<std::size_t>(columns) : 100;
}

// The nearest of the 6 x 6 x 6 colours of the palette, or of its 24 greys for a colour that is nearly grey.
int palette_index(Colour colour) {
    static constexpr int levels[] = {0, 95, 135, 175, 215, 255};
    const auto nearest = [](int value) {
        int best = 0;
        for (int i = 1; i < 6; ++i) {
            if (std::abs(levels[i] - value) < std::abs(levels[best] - value)) best = i;
        }
        return best;
    };
    const auto distance = [&](int red, int green, int blue) {
        const int r = red - colour.red, g = green - colour.green, b = blue - colour.blue;
        return r * r + g * g + b * b;
    };
    const int r = nearest(colour.red), g = nearest(colour.green), b = nearest(colour.blue);
    const int grey = std::clamp(((colour.red + colour.green + colour.blue) / 3 - 3) / 10, 0, 23);
    const int level = 8 + 10 * grey;
    return distance(level, level, level) < distance(levels[r], levels[g], levels[b]) ? 232 + grey
                                                                                     : 16 + 36 * r + 6 * g + b;
}

}  // namespace

Console::Console() : Console(colours_of_output(), columns_of_output()) {}

std::string Console::styled(std::string_view code, std::string_view text) const {
    if (colours_ == Colours::none) return std::string(text);
    return "\x1b[" + std::string(code) + "m" + std::string(text) + "\x1b[0m";
}

// Layer 38 is the ink, 48 the ground.
std::string Console::code(int layer, Colour colour) const {
    if (colours_ == Colours::palette) return fmt::format("{};5;{}", layer, palette_index(colour));
    return fmt::format("{};2;{};{};{}", layer, colour.red, colour.green, colour.blue);
}

std::string Console::coloured(std::string_view text, Colour ink) const {
    return many_colours() ? styled(code(38, ink), text) : std::string(text);
}

std::string Console::coloured(std::string_view text, Colour ink, Colour ground) const {
    return many_colours() ? styled(code(38, ink) + ";" + code(48, ground), text) : std::string(text);
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

std::string printable(std::string_view text) {
    std::string result;
    for (const char c : text) {
        if (c == '\n') {
            result += "\\n";
        } else if (c == '\t') {
            result += "\\t";
        } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
            result += fmt::format("\\x{:02x}", c);
        } else {
            result += c;
        }
    }
    return result;
}

std::string bar(double share, std::size_t width) {
    static constexpr const char* eighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    const long blocks = std::lround(std::clamp(share, 0.0, 1.0) * static_cast<double>(width) * 8.0);
    std::string text;
    for (long i = 0; i < blocks / 8; ++i) text += "█";
    return text + eighths[blocks % 8];
}

}  // namespace viz
