#include "gemma/checkpoint/mappings.hpp"

#include "gemma/error.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <string>

namespace gemma {

namespace {

constexpr int bad_input = 2;  // the program's exit code

// A list that a signal handler can walk at any time: nodes are added at its head and never taken out. A node without
// memory is free for the next mapping.
struct Mapping {
    std::atomic<std::uintptr_t> begin{0};  // 0: free. Set last and cleared first, so that the rest is whole behind it
    std::size_t size = 0;
    dev_t device = 0;
    ino_t file = 0;
    std::string message;
    Mapping* next = nullptr;
};

std::atomic<Mapping*> first{nullptr};
std::mutex changing;
struct sigaction handler_before;

// Calls `found` for each mapping until it returns true; whether one did.
template <typename Found>
bool any_mapping(const Found& found) {
    for (Mapping* m = first.load(); m != nullptr; m = m->next) {
        if (m->begin != 0 && found(*m)) return true;
    }
    return false;
}

// May call only what POSIX allows in a signal handler: write and _exit are.
void on_missing_page(int, siginfo_t* info, void*) {
    const auto address = reinterpret_cast<std::uintptr_t>(info->si_addr);
    any_mapping([address](const Mapping& m) {
        if (address - m.begin >= m.size) return false;  // below begin the difference is huge
        [[maybe_unused]] const auto written = ::write(STDERR_FILENO, m.message.data(), m.message.size());
        ::_exit(bad_input);
    });
    // Not ours. Who was handed it once and hands it back gets no second turn.
    static std::atomic<bool> was_handed_on{false};
    if (was_handed_on.exchange(true))
        std::signal(SIGBUS, SIG_DFL);
    else
        ::sigaction(SIGBUS, &handler_before, nullptr);
    if (info->si_code <= 0) ::raise(SIGBUS);  // sent by a process; a fault comes again by itself
}

// Unless it is there already.
void install_handler() {
    struct sigaction current = {}, ours = {};
    ::sigaction(SIGBUS, nullptr, &current);
    if ((current.sa_flags & SA_SIGINFO) != 0 && current.sa_sigaction == on_missing_page) return;
    handler_before = current;
    ours.sa_sigaction = on_missing_page;
    ours.sa_flags = SA_SIGINFO;
    ::sigemptyset(&ours.sa_mask);
    ::sigaction(SIGBUS, &ours, nullptr);
}

Mapping& free_mapping() {
    for (Mapping* m = first.load(); m != nullptr; m = m->next) {
        if (m->begin == 0) return *m;
    }
    auto* const added = new Mapping;
    added->next = first.load();
    first = added;
    return *added;
}

}  // namespace

void add_mapping(const std::byte* begin, std::size_t size, const std::filesystem::path& path,
                 const struct stat& status) {
    const std::lock_guard lock(changing);
    install_handler();
    Mapping& m = free_mapping();
    m.size = size;
    m.device = status.st_dev;
    m.file = status.st_ino;
    m.message = fmt::format("gemma: {}: became shorter while it was read, expected it to keep its {} bytes\n",
                            path.string(), size);
    m.begin = reinterpret_cast<std::uintptr_t>(begin);
}

void remove_mapping(const std::byte* begin) {
    const std::lock_guard lock(changing);
    any_mapping([begin](Mapping& m) {
        if (m.begin != reinterpret_cast<std::uintptr_t>(begin)) return false;
        m.begin = 0;
        return true;
    });
}

bool is_mapped(const std::filesystem::path& path) {
    struct stat status;
    if (::stat(path.c_str(), &status) != 0) return false;
    const std::lock_guard lock(changing);
    return any_mapping([&status](const Mapping& m) { return m.device == status.st_dev && m.file == status.st_ino; });
}

}  // namespace gemma
