# Writes the page's files into a C++ source: cmake -DFILES=a;b -DOUTPUT=assets.cpp -P embed.cmake
set(entries "")
foreach(file IN LISTS FILES)
  cmake_path(GET file FILENAME name)
  file(READ "${file}" bytes HEX)
  string(REGEX REPLACE "(................................)" "\\1\n    " bytes "${bytes}")  # 16 bytes a line
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
  string(MAKE_C_IDENTIFIER "${name}" identifier)
  file(SIZE "${file}" size)
  string(APPEND arrays "const unsigned char ${identifier}[] = {\n    ${bytes}0};\n\n")
  string(APPEND entries "    {\"${name}\", {reinterpret_cast<const char*>(${identifier}), ${size}}},\n")
endforeach()
file(WRITE "${OUTPUT}" "// Made by viz/embed.cmake from the files in viz/page/.
#include \"viz/assets.hpp\"

namespace viz {

namespace {

${arrays}}  // namespace

const std::vector<Asset>& assets() {
    static const std::vector<Asset> all = {
${entries}    };
    return all;
}

}  // namespace viz
")
