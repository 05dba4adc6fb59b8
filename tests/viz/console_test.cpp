#include "viz/console.hpp"

#include <doctest/doctest.h>

namespace viz {

TEST_CASE("A console without colour leaves text alone, one with colour wraps and resets it") {
    CHECK(Console(false).bold("x") == "x");
    CHECK(Console(true).bold("x") == "\x1b[1mx\x1b[0m");
}

TEST_CASE("Width counts code points, not bytes") {
    CHECK(width_of("√D") == 2);
    CHECK(padded("√D", 4) == "√D  ");
    CHECK(padded("long enough", 4) == "long enough");
}

TEST_CASE("A bar has eight steps a column and keeps inside its width") {
    CHECK(bar(0.0, 4).empty());
    CHECK(bar(0.5, 4) == "██");
    CHECK(bar(1.0 / 32.0, 4) == "▏");
    CHECK(width_of(bar(7.0, 4)) == 4);
}

}  // namespace viz
