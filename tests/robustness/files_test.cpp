// Files that change, vanish or cannot be had while they are read and written.
#include "gemma/checkpoint/checkpoint.hpp"
#include "gemma/checkpoint/mapped_file.hpp"
#include "gemma/checkpoint/mappings.hpp"
#include "gemma/checkpoint/output_file.hpp"
#include "gemma/error.hpp"
#include "gemma/text/tokenizer.hpp"
#include "gemma/trace/trace_file.hpp"
#include "tests/support/contains.hpp"
#include "tests/support/temporary_directory.hpp"

#include <doctest/doctest.h>

#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace gemma {
namespace {

namespace fs = std::filesystem;

struct Ending {
    int code;  // 128 + number of the signal that ended it
    std::string err;
};

// What becomes of a process that does this, its standard error in a file.
Ending in_a_process(const std::function<void()>& action) {
    const TemporaryDirectory output;
    const fs::path err = output / "err";
    const pid_t process = ::fork();
    if (process == 0) {
        if (std::freopen(err.c_str(), "w", stderr) == nullptr) ::_exit(99);
        std::signal(SIGBUS, SIG_DFL);  // as in a process that has mapped nothing
        action();
        ::_exit(0);
    }
    int status = 0;
    ::waitpid(process, &status, 0);
    return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), read_file(err)};
}

void write_tensor(const fs::path& path, const std::string& name, std::size_t numbers) {
    SafetensorsWriter writer(path, {{name, DType::float32, {numbers}}});
    const std::string zeros(4 * numbers, '\0');
    writer.write(zeros.data(), zeros.size());
    writer.finish();
}

// A user without root's rights for one scope, so that permissions count. Every path it needs must be open to all.
class NotRoot {
public:
    NotRoot() : was_root_(::geteuid() == 0 && ::seteuid(65534) == 0) {}
    ~NotRoot() {
        if (was_root_) REQUIRE(::seteuid(0) == 0);
    }
    NotRoot(const NotRoot&) = delete;
    NotRoot& operator=(const NotRoot&) = delete;

private:
    bool was_root_;
};

}  // namespace

TEST_CASE("A file cut at each boundary of its structure is refused, and so is one byte to either side") {
    const TemporaryDirectory directory;
    const fs::path path = directory / "x.safetensors";
    {
        SafetensorsWriter writer(path, {{"a", DType::float32, {2, 3}}, {"b", DType::bfloat16, {5}}}, {{"k", "v"}});
        const std::string zeros(24 + 10, '\0');
        writer.write(zeros.data(), zeros.size());
        writer.finish();
    }
    const std::string whole = read_file(path);
    std::uint64_t header = 0;
    for (int i = 8; i-- > 0;) header = header << 8 | static_cast<unsigned char>(whole[static_cast<std::size_t>(i)]);
    const std::size_t data = 8 + header;
    REQUIRE(data + 34 == whole.size());
    // The length; the header; the end of tensor a; the end of tensor b.
    for (const std::size_t boundary : {std::size_t{0}, std::size_t{8}, data, data + 24, data + 34}) {
        for (const std::size_t length : {boundary - 1, boundary, boundary + 1}) {
            if (length >= whole.size() && length != whole.size() + 1)
                continue;  // before the first byte; the whole file
            CAPTURE(length);
            write_file(path, length > whole.size() ? whole + "x" : whole.substr(0, length));
            const std::string message = message_of<Error>([&] { SafetensorsFile{path}; });
            CHECK(contains(message, "x.safetensors: "));
            CHECK(!contains(message, "\n"));
        }
    }
}

TEST_CASE("Shards in each other's place are refused") {
    const TemporaryDirectory directory;
    write_tensor(directory / "one.safetensors", "a", 2);
    write_tensor(directory / "two.safetensors", "b", 2);
    write_file(directory / "model.safetensors.index.json",
               R"({"weight_map": {"a": "one.safetensors", "b": "two.safetensors"}})");
    CHECK(Checkpoint(directory.path()).tensors().size() == 2);
    fs::rename(directory / "one.safetensors", directory / "three");
    fs::rename(directory / "two.safetensors", directory / "one.safetensors");
    fs::rename(directory / "three", directory / "two.safetensors");
    CHECK(contains(message_of<Error>([&] { Checkpoint{directory.path()}; }),
                   "\"a\" is not in one.safetensors, expected it there"));
}

TEST_CASE("A file that becomes shorter while it is mapped ends the program with one line") {
    const TemporaryDirectory directory;
    const fs::path path = directory / "x.safetensors";
    write_tensor(path, "a", 100000);
    const Ending ending = in_a_process([&] {
        const SafetensorsFile file(path), other(path);
        const StoredTensor& tensor = *file.find("a");
        fs::resize_file(path, 5000);
        float number = 1;
        to_float32(tensor.data + 4 * 99999, DType::float32, 1, &number);
    });
    CAPTURE(ending.err);
    CHECK(ending.code == 2);
    CHECK(contains(ending.err, "gemma: " + path.string() + ": became shorter while it was read, expected it to keep"));
    CHECK(ending.err.find('\n') == ending.err.size() - 1);
}

TEST_CASE("A bus error elsewhere goes to the handler that was there before") {
    const TemporaryDirectory directory;
    const fs::path path = directory / "x.safetensors";
    write_tensor(path, "a", 10);
    const Ending sent = in_a_process([&] {
        std::signal(SIGBUS, [](int) { ::_exit(77); });
        const SafetensorsFile file(path);
        ::raise(SIGBUS);
    });
    CHECK(sent.code == 77);
    const Ending handed_back = in_a_process([&] {
        static struct sigaction before;
        const SafetensorsFile file(path);
        struct sigaction chained = {};
        chained.sa_handler = [](int) {  // what a library does that came later, and knows who was before it
            ::sigaction(SIGBUS, &before, nullptr);
            ::raise(SIGBUS);
        };
        ::sigaction(SIGBUS, &chained, &before);
        const SafetensorsFile again(path);
        ::raise(SIGBUS);
    });
    CHECK(handed_back.code == 128 + SIGBUS);  // and not a game of ping-pong
    const Ending closed = in_a_process([&] {
        { const SafetensorsFile file(path); }
        ::raise(SIGBUS);
    });
    CHECK(closed.code == 128 + SIGBUS);
    CHECK(closed.err == "");
}

TEST_CASE("A process that is killed in the middle of a write leaves the old file as it was") {
    const TemporaryDirectory directory;
    const fs::path path = directory / "x.safetensors";
    write_tensor(path, "old", 3);
    const std::string before = read_file(path);
    const Ending ending = in_a_process([&] {
        SafetensorsWriter writer(path, {{"new", DType::float32, {1 << 20}}});
        const std::string half(2 << 20, 'x');
        writer.write(half.data(), half.size());
        ::raise(SIGKILL);
    });
    CHECK(ending.code == 128 + SIGKILL);
    CHECK(read_file(path) == before);
    write_tensor(path, "next", 3);  // what was left behind is in nobody's way
    CHECK(SafetensorsFile(path).find("next") != nullptr);
}

TEST_CASE("A file that is read is not replaced, under whatever name") {
    const TemporaryDirectory directory;
    const fs::path path = directory / "x.safetensors";
    write_tensor(path, "a", 3);
    fs::create_symlink("x.safetensors", directory / "link");
    fs::create_hard_link(path, directory / "hard");
    const std::string before = read_file(path);
    {
        const SafetensorsFile file(path);
        CHECK(is_mapped(path));
        for (const char* const name : {"x.safetensors", "./x.safetensors", "link", "hard"}) {
            const fs::path output = directory / name;
            CHECK(message_of<Error>([&] { write_text_file(output, "new"); }) ==
                  output.string() + ": is read at the same time, expected another name for what is written");
        }
        CHECK(read_file(path) == before);
        CHECK(directory.entries() == 3);
        write_text_file(directory / "other", "new");
    }
    CHECK(!is_mapped(path));
    write_text_file(path, "new");
    CHECK(read_file(path) == "new");
}

TEST_CASE("What is written through a link takes the place of the file behind it, and the link stays") {
    const TemporaryDirectory directory;
    fs::create_directory(directory / "folder");
    write_file(directory / "folder/x", "old");
    fs::create_symlink("folder/x", directory / "link");
    fs::create_symlink("link", directory / "second");
    write_text_file(directory / "second", "new");
    CHECK(read_file(directory / "folder/x") == "new");
    CHECK(fs::read_symlink(directory / "link") == "folder/x");
    CHECK(fs::read_symlink(directory / "second") == "link");

    fs::create_symlink("nothing", directory / "loose");
    CHECK(contains(message_of<Error>([&] { write_text_file(directory / "loose", "new"); }),
                   "is a link that leads nowhere"));
    CHECK(directory.entries() == 4);
}

TEST_CASE("No file of an open model is replaced: weights, config, tokenizer, index") {
    const TemporaryDirectory directory;
    write_tensor(directory / "one.safetensors", "a", 3);
    write_file(directory / "model.safetensors.index.json", R"({"weight_map": {"a": "one.safetensors"}})");
    write_file(directory / "config.json", "{}");
    write_file(directory / "tokenizer.model", "t");
    const Checkpoint checkpoint(directory.path());
    for (const char* const name :
         {"one.safetensors", "model.safetensors.index.json", "config.json", "tokenizer.model"}) {
        CHECK(
            contains(message_of<Error>([&] { write_text_file(directory / name, "new"); }), "is read at the same time"));
    }
    CHECK(directory.entries() == 4);
}

TEST_CASE("Without permission to read or write there is a line that says so") {
    const TemporaryDirectory directory;
    write_tensor(directory / "x.safetensors", "a", 3);
    write_file(directory / "tokenizer.model", "t");
    fs::create_directory(directory / "closed");
    for (const char* const name : {"x.safetensors", "tokenizer.model", "closed"}) {
        fs::permissions(directory / name, fs::perms::none);
    }
    fs::permissions(directory.path(), fs::perms::owner_read | fs::perms::owner_exec | fs::perms::group_read |
                                          fs::perms::group_exec | fs::perms::others_read | fs::perms::others_exec);
    std::string read, trace, tokenizer, written, inside;
    {
        const NotRoot user;
        read = message_of<Error>([&] { SafetensorsFile(directory / "x.safetensors"); });
        trace = message_of<Error>([&] { TraceFile(directory / "x.safetensors"); });
        tokenizer = message_of<Error>([&] { Tokenizer(directory / "tokenizer.model"); });
        written = message_of<Error>([&] { write_text_file(directory / "new", "x"); });
        inside = message_of<Error>([&] { SafetensorsFile(directory / "closed" / "x.safetensors"); });
    }
    fs::permissions(directory.path(), fs::perms::owner_all);
    CHECK(contains(read, "x.safetensors: cannot be opened (Permission denied), expected a readable file"));
    CHECK(contains(trace, "x.safetensors: cannot be opened (Permission denied)"));
    CHECK(contains(tokenizer, "tokenizer.model: cannot be opened (Permission denied)"));
    CHECK(contains(written, "new: cannot be written (Permission denied), expected a file in a writable directory"));
    CHECK(contains(inside, "x.safetensors: cannot be opened (Permission denied)"));
    CHECK(directory.entries() == 3);
}

TEST_CASE("A full disk: the write is refused, nothing is left, and what was there stays") {
    const TemporaryDirectory directory;
    // A small disk of its own, where this process may mount one; else the limit on files' sizes is tested only
    // (tests/checkpoint/safetensors_test.cpp).
    if (::mount("tmpfs", directory.path().c_str(), "tmpfs", 0, "size=256k") != 0) {
        MESSAGE("no disk can be mounted here: this test has nothing to fill");
        return;
    }
    write_file(directory / "old", "old");
    const std::string many(1 << 20, 'x');
    const std::string message = message_of<Error>([&] { write_text_file(directory / "old", many); });
    const std::size_t entries = directory.entries();
    const std::string old = read_file(directory / "old");
    ::umount(directory.path().c_str());
    CHECK(contains(message, "old: cannot be written (No space left on device)"));
    CHECK(entries == 1);
    CHECK(old == "old");
}

}  // namespace gemma
