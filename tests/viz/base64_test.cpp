#include "viz/base64.hpp"

#include <doctest/doctest.h>

#include <string>

namespace {

std::string encoded(const std::string& bytes) { return viz::base64(bytes.data(), bytes.size()); }

}  // namespace

TEST_CASE("base64: the examples of RFC 4648, section 10") {
    CHECK(encoded("") == "");
    CHECK(encoded("f") == "Zg==");
    CHECK(encoded("fo") == "Zm8=");
    CHECK(encoded("foo") == "Zm9v");
    CHECK(encoded("foob") == "Zm9vYg==");
    CHECK(encoded("fooba") == "Zm9vYmE=");
    CHECK(encoded("foobar") == "Zm9vYmFy");
}

TEST_CASE("base64: bytes above 127") {
    CHECK(encoded("\xff\xfe\xfd") == "//79");
    CHECK(encoded("\xfb\xef\xbe") == "++++");
    CHECK(encoded("\x80") == "gA==");
}
