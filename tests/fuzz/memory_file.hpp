// A file that lies in memory and has a path: what a reader of files is given, some hundred thousand times.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

namespace fuzz {

class MemoryFile {
public:
    MemoryFile() : number_(::memfd_create("input", MFD_CLOEXEC)), path_("/proc/self/fd/" + std::to_string(number_)) {
        if (number_ < 0) std::abort();
    }
    ~MemoryFile() { ::close(number_); }
    MemoryFile(const MemoryFile&) = delete;
    MemoryFile& operator=(const MemoryFile&) = delete;

    /// The path of a file that holds just this.
    const std::string& with(const std::string& content) {
        const auto bytes = static_cast<off_t>(content.size());
        if (::ftruncate(number_, 0) != 0 || ::ftruncate(number_, bytes) != 0) std::abort();
        if (::pwrite(number_, content.data(), content.size(), 0) != bytes) std::abort();
        return path_;
    }

private:
    int number_;
    std::string path_;
};

}  // namespace fuzz
