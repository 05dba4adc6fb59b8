// numpy's arrays. The first letter says whether the rest is an .npz file, with the checksums put right so that what
// lies behind them is reached too, or one .npy array.
#include "gemma/trace/npy.hpp"
#include "gemma/trace/zip.hpp"
#include "tests/fuzz/memory_file.hpp"
#include "tests/fuzz/target.hpp"
#include "tests/fuzz/zip.hpp"

#include <zlib.h>

namespace {

using namespace gemma;

void read_array(const std::vector<std::byte>& file, std::size_t file_bytes) {
    const NpyHeader header = read_npy_header(file, file_bytes, "input");
    if (header.type == NpyType::other || file.size() < file_bytes) return;
    fuzz::require(header.bytes + header.data_bytes == file.size(), "header and numbers make up the file");
    const std::vector<std::byte> numbers(file.begin() + static_cast<std::ptrdiff_t>(header.bytes), file.end());
    const std::size_t count = element_count(header.shape);
    if (is_float(header.type)) {
        fuzz::require(npy_floats(numbers.data(), header.type, count).size() == count, "all numbers are read");
    } else {
        fuzz::require(npy_integers(numbers.data(), header.type, count).size() == count, "all numbers are read");
    }
}

void read_zip(const std::string& content) {
    static fuzz::MemoryFile file;
    const ZipFile zip(file.with(content));
    for (const ZipEntry& entry : zip.entries()) {
        if (entry.size > 1 << 20) continue;  // possible, and slow
        fuzz::taken([&] { read_array(zip.read_start(entry, 100), entry.size); });
        ZipEntry right = entry;
        fuzz::taken([&] {
            const std::vector<std::byte> bytes = zip.read_start(entry, entry.size);
            right.crc = crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size());
            read_array(zip.read(right), entry.size);
        });
    }
}

void read(const std::string& input) {
    if (input.empty()) return;
    fuzz::taken([&] {
        if (input[0] == 'z') {
            read_zip(input.substr(1));
        } else {
            const auto* const data = reinterpret_cast<const std::byte*>(input.data());
            read_array({data + 1, data + input.size()}, input.size() - 1);
        }
    });
}

std::vector<std::string> seeds() {
    using fuzz::npy;
    const std::string floats = npy(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1), }\n", "12345678");
    const std::string integers = npy(2, "{'descr': '<i8', 'fortran_order': True, 'shape': (1,), }", "12345678");
    const std::string text = npy(1, "{\"descr\": '|S3', 'fortran_order': False, 'shape': ()}", "abc");
    const std::string large = npy(1, "{'descr': '<f2', 'fortran_order': False, 'shape': (4294967296, 4294967296)}", "");
    return {"a" + floats,
            "a" + integers,
            "a" + text,
            "a" + large,
            "z" + fuzz::zip("lm_head.npy", floats, false),
            "z" + fuzz::zip("tokens.npy", integers, true)};
}

const fuzz::Register target({"npz", read, seeds});

}  // namespace
