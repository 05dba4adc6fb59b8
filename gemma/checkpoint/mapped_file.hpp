// A file seen as memory: pages are read when they are first touched, and are shared with every other reader.
#pragma once

#include <cstddef>
#include <filesystem>

namespace gemma {

/// A whole file mapped read-only. Movable, not copyable; unmapped by the destructor. While it is mapped no OutputFile
/// takes its place, and a file that becomes shorter ends the program in one line (gemma/checkpoint/mappings.hpp).
class MappedFile {
public:
    /// Throws an Error that names the file when it is missing, is not a regular file or cannot be read.
    explicit MappedFile(const std::filesystem::path& path);
    ~MappedFile();
    MappedFile(MappedFile&& other) noexcept;
    MappedFile& operator=(MappedFile&& other) noexcept;
    MappedFile(const MappedFile&) = delete;
    MappedFile& operator=(const MappedFile&) = delete;

    const std::byte* data() const { return data_; }
    std::size_t size() const { return size_; }

private:
    const std::byte* data_ = nullptr;
    std::size_t size_ = 0;
};

}  // namespace gemma
