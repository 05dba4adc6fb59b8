#include "gemma/trace/zip.hpp"

#include "gemma/error.hpp"
#include "gemma/json.hpp"

#include <zlib.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>

namespace gemma {

namespace {

constexpr std::size_t end_record_bytes = 22, longest_comment = 65535;
constexpr std::size_t locator_bytes = 20, end_record64_bytes = 56;
constexpr std::size_t directory_entry_bytes = 46, local_header_bytes = 30;
constexpr std::size_t best_deflate = 1032;  // bytes that one byte can stand for: 258 in two bits

constexpr std::uint32_t end_record_mark = 0x06054b50, locator_mark = 0x07064b50, end_record64_mark = 0x06064b50;
constexpr std::uint32_t directory_entry_mark = 0x02014b50, local_header_mark = 0x04034b50;
constexpr std::uint64_t in_zip64 = 0xffffffff;  // instead of a number that needs 64 bits

// A number of N bytes, little endian. The caller knows that they are there.
template <std::size_t N>
std::uint64_t number_at(const std::byte* data) {
    std::uint64_t number = 0;
    for (std::size_t i = N; i-- > 0;) number = number << 8 | std::to_integer<std::uint64_t>(data[i]);
    return number;
}

// Where the central directory lies.
struct Directory {
    std::uint64_t count, bytes, begin;
};

// The end record is the last thing in the file but for a comment of unknown length.
std::size_t find_end_record(const MappedFile& file, const std::string& source) {
    const std::size_t longest = end_record_bytes + longest_comment;
    for (std::size_t back = end_record_bytes; back <= std::min(file.size(), longest); ++back) {
        const std::byte* record = file.data() + file.size() - back;
        const bool ends_here = number_at<2>(record + 20) == back - end_record_bytes;
        if (number_at<4>(record) == end_record_mark && ends_here) return file.size() - back;
    }
    fail("{}: found no end record in {} bytes, expected a .zip file: no such file, or cut short", source, file.size());
}

Directory read_end_record(const MappedFile& file, const std::string& source) {
    const std::size_t place = find_end_record(file, source);
    const std::byte* record = file.data() + place;
    const Directory directory = {number_at<2>(record + 10), number_at<4>(record + 12), number_at<4>(record + 16)};
    if (place < locator_bytes || number_at<4>(record - locator_bytes) != locator_mark) return directory;

    const std::uint64_t place64 = number_at<8>(record - locator_bytes + 8);
    if (place64 > place - locator_bytes || place - locator_bytes - place64 < end_record64_bytes ||
        number_at<4>(file.data() + place64) != end_record64_mark) {
        fail("{}: found no zip64 end record at byte {}, where the file says that it is", source, place64);
    }
    const std::byte* record64 = file.data() + place64;
    return {number_at<8>(record64 + 32), number_at<8>(record64 + 40), number_at<8>(record64 + 48)};
}

// Takes those of the numbers that stand in the zip64 part of an entry's extra field, in their order.
void read_zip64(const std::byte* extra, std::size_t bytes, const std::vector<std::uint64_t*>& numbers) {
    for (std::size_t at = 0; bytes - at >= 4;) {
        const std::size_t tag = number_at<2>(extra + at), length = number_at<2>(extra + at + 2);
        at += 4;
        if (length > bytes - at) return;
        if (tag == 1) {
            std::size_t from = at;
            for (std::uint64_t* number : numbers) {
                if (*number != in_zip64 || at + length - from < 8) continue;
                *number = number_at<8>(extra + from);
                from += 8;
            }
        }
        at += length;
    }
}

}  // namespace

ZipFile::ZipFile(const std::filesystem::path& path) : path_(path), file_(path) {
    const Directory directory = read_end_record(file_, path_.string());
    if (directory.begin > file_.size() || directory.bytes > file_.size() - directory.begin ||
        directory.count > directory.bytes / directory_entry_bytes) {
        fail("{}: found a directory of {} entries in {} bytes at byte {}, expected it within the file's {} bytes",
             path_.string(), directory.count, directory.bytes, directory.begin, file_.size());
    }
    read_directory(directory.begin, directory.bytes, directory.count);
}

void ZipFile::read_directory(std::size_t begin, std::size_t bytes, std::size_t count) {
    std::size_t place = begin;
    for (std::size_t i = 0; i < count; ++i) place = read_entry(place, begin + bytes);
}

// Reads the directory's entry at `place`, and tells where the next one begins.
std::size_t ZipFile::read_entry(std::size_t place, std::size_t end) {
    const std::byte* entry = file_.data() + place;
    if (end - place < directory_entry_bytes || number_at<4>(entry) != directory_entry_mark) {
        fail("{}: found no entry of the directory at byte {}, where the file says that there is one", path_.string(),
             place);
    }
    const std::size_t flags = number_at<2>(entry + 8), method = number_at<2>(entry + 10);
    const std::size_t name_bytes = number_at<2>(entry + 28), extra_bytes = number_at<2>(entry + 30);
    const std::size_t comment_bytes = number_at<2>(entry + 32);
    if (name_bytes + extra_bytes + comment_bytes > end - place - directory_entry_bytes) {
        fail("{}: the entry of the directory at byte {} is longer than the directory", path_.string(), place);
    }
    std::uint64_t compressed = number_at<4>(entry + 20), size = number_at<4>(entry + 24),
                  local = number_at<4>(entry + 42);
    const std::byte* name = entry + directory_entry_bytes;
    read_zip64(name + name_bytes, extra_bytes, {&size, &compressed, &local});

    ZipEntry result{
        std::string(reinterpret_cast<const char*>(name), name_bytes), size, compressed, method == Z_DEFLATED,
        static_cast<unsigned long>(number_at<4>(entry + 16)),         0};
    if (!is_printable(result.name))
        fail("{}: an entry is called {}, expected a printable name", path_.string(), excerpt(result.name));
    if ((flags & 1) != 0) fail_at(result, "is encrypted, expected one that is not");
    if (method != 0 && method != Z_DEFLATED) {
        fail_at(result, fmt::format("is compressed by method {}, expected 0 (stored) or 8 (deflated)", method));
    }
    if (local > file_.size() || file_.size() - local < local_header_bytes ||
        number_at<4>(file_.data() + local) != local_header_mark) {
        fail_at(result, fmt::format("has no header at byte {}, where the directory says that it begins", local));
    }
    const std::byte* header = file_.data() + local;
    const std::size_t skipped = local_header_bytes + number_at<2>(header + 26) + number_at<2>(header + 28);
    if (skipped > file_.size() - local || compressed > file_.size() - local - skipped) {
        fail_at(result, fmt::format("has {} bytes, expected at most those that are left in the file, {}", compressed,
                                    skipped > file_.size() - local ? 0 : file_.size() - local - skipped));
    }
    const bool possible = result.deflated ? size / best_deflate <= compressed : size == compressed;
    if (!possible) fail_at(result, fmt::format("has {} bytes, which cannot be packed into {}", size, compressed));
    result.place = local + skipped;
    entries_.push_back(result);
    return place + directory_entry_bytes + name_bytes + extra_bytes + comment_bytes;
}

void ZipFile::fail_at(const ZipEntry& entry, const std::string& what) const {
    fail("{}: entry {} {}", path_.string(), entry.name, what);
}

std::vector<std::byte> ZipFile::read_start(const ZipEntry& entry, std::size_t count) const {
    std::vector<std::byte> bytes(std::min(count, entry.size));
    if (entry.deflated) {
        inflate(entry, bytes);
    } else {
        std::copy_n(file_.data() + entry.place, bytes.size(), bytes.begin());
    }
    return bytes;
}

std::vector<std::byte> ZipFile::read(const ZipEntry& entry) const {
    const std::vector<std::byte> bytes = read_start(entry, entry.size);
    uLong crc = crc32_z(0, nullptr, 0);
    crc = crc32_z(crc, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size());
    if (crc != entry.crc) fail_at(entry, fmt::format("has the checksum {:08x}, expected {:08x}", crc, entry.crc));
    return bytes;
}

// Fills `target` with the entry's first bytes.
void ZipFile::inflate(const ZipEntry& entry, std::vector<std::byte>& target) const {
    constexpr std::size_t longest = std::numeric_limits<uInt>::max();  // that zlib takes at a time
    z_stream stream{};
    if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) fail_at(entry, "cannot be unpacked: zlib has no memory");
    // zlib's interface takes a pointer to what is not const, and only reads there.
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(file_.data() + entry.place));
    stream.next_out = reinterpret_cast<Bytef*>(target.data());
    std::size_t in = entry.compressed_size, out = target.size();
    int status = Z_OK;
    while (status == Z_OK && out > 0) {
        stream.avail_in = static_cast<uInt>(std::min(in, longest));
        stream.avail_out = static_cast<uInt>(std::min(out, longest));
        const std::size_t in_before = stream.avail_in, out_before = stream.avail_out;
        status = ::inflate(&stream, Z_NO_FLUSH);
        in -= in_before - stream.avail_in;
        out -= out_before - stream.avail_out;
    }
    inflateEnd(&stream);
    if (out > 0) {
        fail_at(entry, fmt::format("cannot be unpacked: its data end or break after {} of {} bytes",
                                   target.size() - out, entry.size));
    }
}

}  // namespace gemma
