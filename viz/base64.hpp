// Base64 (RFC 4648, section 4): three bytes as four letters, so that numbers can stand in a text.
#pragma once

#include <cstddef>
#include <string>

namespace viz {

std::string base64(const void* data, std::size_t bytes);

}  // namespace viz
