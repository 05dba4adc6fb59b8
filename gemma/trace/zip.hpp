// The .zip format, as far as numpy's .npz files need it: named entries, stored or deflated.
//
//   entries            local header, name, bytes         sizes in the local header may be left to the directory
//   central directory  name, sizes, place of each entry
//   end record         place of the directory            zip64 for what does not fit into 32 bits
//
// Source: PKWARE's APPNOTE.TXT, https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
#pragma once

#include "gemma/checkpoint/mapped_file.hpp"

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

namespace gemma {

/// What the directory says of an entry; all of it checked against the file.
struct ZipEntry {
    std::string name;
    std::size_t size;  // of what it holds
    std::size_t compressed_size;
    bool deflated;
    unsigned long crc;
    std::size_t place;  // of the first byte in the file
};

/// An open .zip file. Nothing is believed unchecked: the constructor throws an Error that names the file for a
/// directory or an entry that does not lie in the file, an unknown compression, an encrypted entry, and sizes that
/// deflate, which packs at most 1032 bytes into one, cannot have made.
class ZipFile {
public:
    explicit ZipFile(const std::filesystem::path& path);

    const std::vector<ZipEntry>& entries() const { return entries_; }

    /// The first `count` bytes of an entry, all if it has fewer.
    std::vector<std::byte> read_start(const ZipEntry& entry, std::size_t count) const;

    /// All of it. Throws an Error when it is shorter than the directory says, or has another checksum.
    std::vector<std::byte> read(const ZipEntry& entry) const;

private:
    [[noreturn]] void fail_at(const ZipEntry& entry, const std::string& what) const;
    void read_directory(std::size_t begin, std::size_t bytes, std::size_t count);
    std::size_t read_entry(std::size_t place, std::size_t end);
    void inflate(const ZipEntry& entry, std::vector<std::byte>& target) const;

    std::filesystem::path path_;
    MappedFile file_;
    std::vector<ZipEntry> entries_;
};

}  // namespace gemma
