// The files that are mapped into memory at the moment.
//
// A mapped file can become shorter while it is read: another program may cut it. The pages that are gone then raise the
// signal SIGBUS when they are touched, anywhere in the middle of a matrix product. A mapping installs a handler
// that knows all mappings: for a page of one of them it writes one line that names the file and ends the program with
// exit code 2; any other SIGBUS goes to the handler that was there before. Reading costs nothing for it.
#pragma once

#include <cstddef>
#include <filesystem>

struct stat;

namespace gemma {

/// Called by a MappedFile with its memory, its file's name and what fstat says of it; and before it is unmapped.
void add_mapping(const std::byte* begin, std::size_t size, const std::filesystem::path& path,
                 const struct stat& status);
void remove_mapping(const std::byte* begin);

/// Whether the file that has this name, through whatever links, is mapped: no output may take its place then.
bool is_mapped(const std::filesystem::path& path);

}  // namespace gemma
