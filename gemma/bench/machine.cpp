#include "gemma/bench/machine.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <string>
#include <string_view>

namespace gemma::bench {

namespace {

// The number behind a name in a file of lines such as "MemAvailable:   22201500 kB".
std::optional<std::size_t> number_after(std::string_view name, const char* path) {
    std::ifstream file(path);
    for (std::string word; file >> word;) {
        std::size_t number = 0;
        if (word == name && file >> number) return number;
        file.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
    }
    return std::nullopt;
}

// The number that a file holds; none where there is no such file, or no number in it ("max").
std::optional<std::size_t> number_in(const char* path) {
    std::ifstream file(path);
    std::size_t number = 0;
    if (file >> number) return number;
    return std::nullopt;
}

// What the control group (a container) may take in addition; the files that it has read can make room.
std::optional<std::size_t> available_in_group() {
    const auto limit = number_in("/sys/fs/cgroup/memory.max"), taken = number_in("/sys/fs/cgroup/memory.current");
    const auto files = number_after("file", "/sys/fs/cgroup/memory.stat");
    if (!limit || !taken || !files) return std::nullopt;
    const std::size_t fixed = *taken - std::min(*taken, *files);
    return *limit - std::min(*limit, fixed);
}

}  // namespace

// "model name	: AMD EPYC" of /proc/cpuinfo.
std::string processor_name() {
    std::ifstream file("/proc/cpuinfo");
    for (std::string line; std::getline(file, line);) {
        const std::size_t colon = line.find(": ");
        if (line.rfind("model name", 0) == 0 && colon != line.npos) return line.substr(colon + 2);
    }
    return "unknown processor";
}

std::size_t peak_memory() {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
#if defined(__APPLE__)
    return static_cast<std::size_t>(usage.ru_maxrss);  // bytes
#else
    return static_cast<std::size_t>(usage.ru_maxrss) * 1024;  // kilobytes
#endif
}

void reset_peak_memory() { std::ofstream("/proc/self/clear_refs") << 5; }

std::optional<std::size_t> available_memory() {
    const auto kilobytes = number_after("MemAvailable:", "/proc/meminfo");
    const auto group = available_in_group();
    if (!kilobytes) return group;
    return group ? std::min(*kilobytes * 1024, *group) : *kilobytes * 1024;
}

}  // namespace gemma::bench
