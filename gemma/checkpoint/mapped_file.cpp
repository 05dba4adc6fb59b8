#include "gemma/checkpoint/mapped_file.hpp"

#include "gemma/checkpoint/mappings.hpp"
#include "gemma/error.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define GEMMA_ADDRESS_SANITIZER
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define GEMMA_ADDRESS_SANITIZER
#endif
#ifdef GEMMA_ADDRESS_SANITIZER
#include <sanitizer/asan_interface.h>
#endif

namespace gemma {

namespace {

// The memory of a file ends with a page, the file before that. AddressSanitizer is told where, so that the tests and
// the fuzzers see a reader that goes one byte too far.
void forbid_beyond([[maybe_unused]] const std::byte* data, [[maybe_unused]] std::size_t size) {
#ifdef GEMMA_ADDRESS_SANITIZER
    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    ASAN_POISON_MEMORY_REGION(data + size, (page - size % page) % page);
#endif
}

void allow_beyond([[maybe_unused]] const std::byte* data, [[maybe_unused]] std::size_t size) {
#ifdef GEMMA_ADDRESS_SANITIZER
    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    ASAN_UNPOISON_MEMORY_REGION(data + size, (page - size % page) % page);
#endif
}

// An open file, closed at the end of the scope. A mapping stays when its file is closed.
class Descriptor {
public:
    explicit Descriptor(const std::filesystem::path& path)
        : number(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {}  // a pipe is refused, not waited for
    ~Descriptor() {
        if (number >= 0) ::close(number);
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;

    const int number;
};

}  // namespace

MappedFile::MappedFile(const std::filesystem::path& path) {
    const Descriptor file(path);
    if (file.number < 0)
        fail("{}: cannot be opened ({}), expected a readable file", path.string(), std::strerror(errno));
    struct stat status;
    if (::fstat(file.number, &status) != 0) fail("{}: cannot be examined ({})", path.string(), std::strerror(errno));
    if (!S_ISREG(status.st_mode)) {
        fail("{}: found a {}, expected a file", path.string(),
             S_ISDIR(status.st_mode) ? "directory" : "device or pipe");
    }
    if (status.st_size == 0) return;  // nothing to map
    size_ = static_cast<std::size_t>(status.st_size);
    void* const pages = ::mmap(nullptr, size_, PROT_READ, MAP_SHARED, file.number, 0);
    if (pages == MAP_FAILED) fail("{}: cannot be mapped into memory ({})", path.string(), std::strerror(errno));
    data_ = static_cast<const std::byte*>(pages);
    add_mapping(data_, size_, path, status);
    forbid_beyond(data_, size_);
}

MappedFile::~MappedFile() {
    if (data_ == nullptr) return;
    remove_mapping(data_);
    allow_beyond(data_, size_);
    ::munmap(const_cast<std::byte*>(data_), size_);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
}

}  // namespace gemma
