#include "viz/page.hpp"

namespace viz {

void write_page(const std::filesystem::path&, const Page&) {}

}  // namespace viz
