// A file that is there whole or not at all.
#pragma once

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <string>

namespace gemma {

/// Writes a file beside `path` and gives it that name in finish(), where it takes the place of a file that had it.
/// Where `path` is a link, it stays, and the file that it leads to is replaced. Without finish() nothing is left behind.
/// Each failure to write (a full disk, a missing folder) throws an Error that names the file; so does the name of a
/// file that this process reads at the moment: a model, a trace.
class OutputFile {
public:
    explicit OutputFile(const std::filesystem::path& path);
    ~OutputFile();
    OutputFile(const OutputFile&) = delete;
    OutputFile& operator=(const OutputFile&) = delete;

    void write(const void* data, std::size_t bytes);

    void finish();

    const std::filesystem::path& path() const { return path_; }

private:
    std::filesystem::path path_;        // as it was asked for
    std::filesystem::path file_;        // behind all links
    std::filesystem::path unfinished_;  // empty once there is no such file any more
    std::ofstream stream_;
};

/// The name under which something is written beside its final place: ".name.<process>.unfinished" in the same folder.
std::filesystem::path unfinished_name(const std::filesystem::path& path);

/// Writes a whole text file in this way.
void write_text_file(const std::filesystem::path& path, const std::string& text);

}  // namespace gemma
