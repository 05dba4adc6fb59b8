#include "gemma/checkpoint/output_file.hpp"

#include "gemma/checkpoint/mappings.hpp"
#include "gemma/error.hpp"

#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <system_error>

namespace gemma {

namespace fs = std::filesystem;

fs::path unfinished_name(const fs::path& path) {
    static std::atomic<unsigned> count{0};  // two writers of one process do not meet either
    return path.parent_path() / fmt::format(".{}.{}-{}.unfinished", path.filename().string(), ::getpid(), count++);
}

namespace {

// The file that a name stands for: what a link leads to, so that the link stays.
fs::path behind_links(const fs::path& path) {
    std::error_code error;
    if (!fs::is_symlink(path, error)) return path;
    const fs::path file = fs::canonical(path, error);
    if (error) fail("{}: is a link that leads nowhere, expected the name of a file", path.string());
    return file;
}

}  // namespace

OutputFile::OutputFile(const fs::path& path) : path_(path), file_(behind_links(path)) {
    std::error_code ignored;
    const fs::file_status found = fs::status(path, ignored);
    // Renaming over a device such as /dev/null would replace it.
    if (!path.has_filename() || (fs::exists(found) && !fs::is_regular_file(found))) {
        fail("{}: cannot be written, expected the name of a file", path.string());
    }
    if (is_mapped(path)) {
        fail("{}: is read at the same time, expected another name for what is written", path.string());
    }
    unfinished_ = unfinished_name(file_);
    errno = 0;
    stream_.open(unfinished_, std::ios::binary | std::ios::trunc);
    if (!stream_) {
        unfinished_.clear();
        fail("{}: cannot be written ({}), expected a file in a writable directory", path.string(),
             std::strerror(errno));
    }
}

OutputFile::~OutputFile() {
    if (unfinished_.empty()) return;
    stream_.close();
    std::error_code ignored;
    fs::remove(unfinished_, ignored);
}

void OutputFile::write(const void* data, std::size_t bytes) {
    errno = 0;
    if (!stream_.write(static_cast<const char*>(data), static_cast<std::streamsize>(bytes))) {
        fail("{}: cannot be written ({})", path_.string(), std::strerror(errno));
    }
}

void OutputFile::finish() {
    errno = 0;
    stream_.close();
    if (!stream_) fail("{}: cannot be written ({})", path_.string(), std::strerror(errno));
    std::error_code error;
    fs::rename(unfinished_, file_, error);
    if (error) fail("{}: cannot be written ({})", path_.string(), error.message());
    unfinished_.clear();
}

void write_text_file(const fs::path& path, const std::string& text) {
    OutputFile file(path);
    file.write(text.data(), text.size());
    file.finish();
}

}  // namespace gemma
