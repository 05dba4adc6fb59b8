// Bad input through the program: exit code 2, one line that names what was found and expected, no new file.
#include "tests/support/program.hpp"
#include "gemma/checkpoint/checkpoint.hpp"
#include "gemma/checkpoint/embedded.hpp"
#include "gemma/model/config.hpp"

#include <doctest/doctest.h>

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <string>
#include <vector>

using namespace gemma;
using namespace gemma::program;

namespace {

namespace fs = std::filesystem;

const std::string trace = "trace --model tiny --out t.safetensors ";

// Writes one number into a tensor of a file that is there.
void set_number(const fs::path& file, const std::string& tensor, std::size_t index, float number) {
    std::size_t offset = 0;
    {
        const SafetensorsFile content(file);
        const StoredTensor* const found = content.find(tensor);
        REQUIRE(found != nullptr);
        REQUIRE(found->dtype == DType::float32);
        offset = fs::file_size(file);
        for (const StoredTensor& each : content.tensors()) offset -= each.data >= found->data ? each.bytes() : 0;
    }
    std::fstream stream(file, std::ios::binary | std::ios::in | std::ios::out);
    stream.seekp(static_cast<std::streamoff>(offset + 4 * index));
    stream.write(reinterpret_cast<const char*>(&number), sizeof number);
    REQUIRE(stream.flush());
}

// The small model with a text tokenizer, in a folder of its own that tests may spoil.
void copy_small_model(const fs::path& directory) {
    fs::create_directory(directory);
    for (const char* const name : {"config.json", "model.safetensors", "tokenizer.model"}) {
        fs::copy_file(embedded_model() / name, directory / name);
    }
}

std::string many_tokens(std::size_t count) {
    std::string tokens = "2";
    for (std::size_t i = 1; i < count; ++i) tokens += ",5";
    return tokens;
}

}  // namespace

TEST_CASE("bad weights: cut short, missing, of another shape or type") {
    const TemporaryDirectory folder;
    write_model(folder / "tiny");
    const fs::path weights = folder / "tiny" / "model.safetensors";
    const std::string whole = read_file(weights);
    for (const std::size_t length :
         {std::size_t{0}, std::size_t{7}, std::size_t{8}, std::size_t{100}, whole.size() - 1}) {
        write_file(weights, whole.substr(0, length));
        check_error(trace + "--tokens 2", folder, "tiny/model.safetensors: ");
    }
    const std::string header_only = std::string(8, '\0') + whole.substr(8);
    write_file(weights, header_only);
    check_error(trace + "--tokens 2", folder, "header: not valid JSON at line 1, column 1, expected an object");

    SafetensorsWriter(weights, {{"model.norm.weight", DType::float32, {0}}}).finish();
    check_error(trace + "--tokens 2", folder, "there is no tensor model.embed_tokens.weight, expected [120, 20]");
    const std::string zeros(120 * 20 * 8, '\0');
    {
        SafetensorsWriter writer(weights, {{"model.embed_tokens.weight", DType::int64, {120, 20}}});
        writer.write(zeros.data(), zeros.size());
        writer.finish();
    }
    check_error(trace + "--tokens 2", folder, "is int64, expected float32, bfloat16 or float16");
    {
        SafetensorsWriter writer(weights, {{"model.embed_tokens.weight", DType::float32, {20, 120}}});
        writer.write(zeros.data(), zeros.size() / 2);
        writer.finish();
    }
    check_error(trace + "--tokens 2", folder, "model.embed_tokens.weight has shape [20, 120], expected [120, 20]");
}

TEST_CASE("a text where numbers should be is called a text") {
    const TemporaryDirectory folder;
    write_model(folder / "tiny");
    write_file(folder / "text.json", "{\n \"a\": 1, \"b\": 2}\n");
    const std::string told = "found a text that begins with \"{\\n \\\"a\\\": \", expected a .safetensors file";
    check_error("show text.json", folder, "text.json: " + told);
    std::filesystem::copy_file(folder / "text.json", folder / "tiny" / "model.safetensors",
                               std::filesystem::copy_options::overwrite_existing);
    check_error(trace + "--tokens 2", folder, "tiny/model.safetensors: " + told);
}

TEST_CASE("NaN and infinity in the weights are found, and named") {
    const TemporaryDirectory folder;
    write_model(folder / "tiny");
    const Run fine = run("inspect tiny --check", folder.path());
    CHECK(fine.code == 0);
    CHECK(contains(fine.out, " are finite\n"));

    const fs::path weights = folder / "tiny" / "model.safetensors";
    set_number(weights, "model.layers.1.mlp.up_proj.weight", 47, std::numeric_limits<float>::quiet_NaN());
    set_number(weights, "model.layers.1.mlp.up_proj.weight", 48, std::numeric_limits<float>::infinity());
    const Run broken = run("inspect tiny --check", folder.path());
    CHECK(broken.code == 2);
    CHECK(contains(broken.out, "model.layers.1.mlp.up_proj.weight"));
    CHECK(contains(broken.out, "2 not finite, first nan at [2, 7]\n"));  // 20 numbers a row
    CHECK(broken.err == "gemma: tiny: found NaN or infinity in 1 tensors, expected finite numbers\n");
    CHECK(run("inspect tiny/model.safetensors --check", folder.path()).code == 2);
    CHECK(run("inspect tiny", folder.path()).code == 0);  // reads the headers only
    check_error("inspect gemma-2b --check", folder, "--check: gemma-2b has no weights");

    // A forward pass does not draw a token from what is no number, and tells where it began.
    check_error(trace + "--tokens 2,5,7 --generate 2", folder,
                "model.layers.1.mlp.up_proj is the first tensor with NaN or infinity");
    // A trace is for finding out: it is written, and says so.
    const Run traced = run(trace + "--tokens 2,5,7", folder.path());
    CHECK(traced.code == 0);
    CHECK(contains(traced.err, "warning: model.layers.1.mlp.up_proj is the first tensor with NaN or infinity"));
}

TEST_CASE("tokens that are none: too many, below zero, beyond the vocabulary") {
    const TemporaryDirectory folder;
    write_model(folder / "tiny");
    Config config = read_config(folder / "tiny" / "config.json");
    config.max_position_embeddings = 8192;
    write_file(folder / "tiny" / "config.json", to_json(config));
    check_error(trace + "--tokens " + many_tokens(8193), folder, "--tokens: found 8193 tokens, expected at most 8192");
    check_error(trace + "--tokens 2,-1", folder, "--tokens: found \"-1\" in \"2,-1\"");
    check_error(trace + "--tokens 2,256000", folder, "token 1 is 256000, expected 0 to 119");
    check_error(trace + "--tokens 2,18446744073709551618", folder, "--tokens: found \"18446744073709551618\"");
    check_error(trace + "--tokens ''", folder, "--tokens: found \"\"");
}

TEST_CASE("prompts: empty, not UTF-8, too long") {
    const TemporaryDirectory folder;
    const Run empty = run("generate '' --max-tokens 3", folder.path());
    CHECK(empty.code == 0);  // a bos alone: the beginning of any text
    CHECK(empty.err == "");
    check_error("generate \"$(printf 'a\\377b')\"", folder, "the text has byte 0xFF at offset 1, expected UTF-8");
    check_error("trace --prompt \"$(printf '\\300\\257')\" --out t.safetensors", folder, "byte 0xC0 at offset 0");
    write_file(folder / "message", "ab\377\n");
    check_error("chat < message", folder, "the text has byte 0xFF at offset 2, expected UTF-8");
    const std::size_t context = read_config(embedded_model() / "config.json").max_position_embeddings;
    write_file(folder / "long.txt", std::string(2 * context, '\x01'));  // a token a byte: no piece covers it
    const TemporaryDirectory other;
    check_error("trace --prompt \"$(cat '" + (folder / "long.txt").string() + "')\" --out t.safetensors", other,
                "tokens, expected at most " + std::to_string(context));
}

TEST_CASE("a directory where a file should be, and a file where a directory should be") {
    const TemporaryDirectory folder;
    for (const std::string part : {"model.safetensors", "config.json"}) {
        write_model(folder / part);
        fs::remove(folder / part / part);
        fs::create_directory(folder / part / part);
        check_error("trace --model " + part + " --tokens 2 --out t.safetensors", folder,
                    part + ": found a directory, expected a file");
    }
    copy_small_model(folder / "small");
    fs::remove(folder / "small" / "tokenizer.model");
    fs::create_directory(folder / "small" / "tokenizer.model");
    check_error("generate --model small x", folder, "tokenizer.model: found a directory, expected a file");
    write_file(folder / "file", "x");
    check_error("trace --model file --tokens 2 --out t.safetensors", folder, "file");
    check_error("show small", folder, "small: found a directory, expected a file");
    check_error("trace --tokens 2 --out small", folder, "small: cannot be written, expected the name of a file");
    check_error("trace --tokens 2 --out file/t.safetensors", folder, "file/t.safetensors: cannot be written");
    check_error("random gemma-2b --out file", folder, "file: ");
}

TEST_CASE("a pipe where a file should be is not waited for") {
    const TemporaryDirectory folder;
    copy_small_model(folder / "small");
    for (const std::string part : {"model.safetensors", "config.json", "tokenizer.model"}) {
        const std::string content = read_file(folder / "small" / part);
        fs::remove(folder / "small" / part);
        REQUIRE(::mkfifo((folder / "small" / part).c_str(), 0600) == 0);
        check_error("generate --model small x", folder, part + ": found a device or pipe, expected a file");
        fs::remove(folder / "small" / part);
        write_file(folder / "small" / part, content);
    }
}

TEST_CASE("an output that is an input is refused, and the input stays") {
    const TemporaryDirectory folder;
    copy_small_model(folder / "small");
    const std::string start = "trace --model small --tokens 2,5 --names model.norm --out ";
    for (const std::string part : {"model.safetensors", "config.json", "tokenizer.model"}) {
        const std::string before = read_file(folder / "small" / part);
        check_error(start + "small/" + part, folder, part + ": is read at the same time, expected another name");
        CHECK(read_file(folder / "small" / part) == before);
    }
    REQUIRE(run(start + "t.safetensors", folder.path()).code == 0);
    fs::create_symlink("t.safetensors", folder / "page.html");
    const std::string before = read_file(folder / "t.safetensors");
    check_error("view t.safetensors --out t.safetensors", folder, "t.safetensors: is read at the same time");
    check_error("view t.safetensors --out page.html", folder, "page.html: is read at the same time");
    CHECK(read_file(folder / "t.safetensors") == before);
    CHECK(run(start + "t.safetensors", folder.path()).code == 0);  // an older trace is no input of this one
}

TEST_CASE("a limit on files, and a full device, end in one line") {
    const TemporaryDirectory folder;
    write_model(folder / "tiny");
    write_file(folder / "t.safetensors", "older");
    // A shell's limit, in blocks of 512 bytes or 1 KiB: less than the trace has.
    const TemporaryDirectory output;
    const std::string command = "cd '" + folder.path().string() + "' && (ulimit -f 4 && '" GEMMA_PROGRAM "' " + trace +
                                "--tokens 2,5,7) > '" + (output / "out").string() + "' 2>&1";
    const int status = std::system(command.c_str());
    REQUIRE(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 2);
    CHECK(read_file(output / "out") == "gemma: t.safetensors: cannot be written (File too large)\n");
    CHECK(read_file(folder / "t.safetensors") == "older");
    CHECK(folder.entries() == 2);
    if (fs::exists("/dev/full")) {
        const int full = std::system("'" GEMMA_PROGRAM "' inspect gemma-2b > /dev/full 2> /dev/null");
        CHECK(WEXITSTATUS(full) == 2);
    }
}

TEST_CASE("a program that is killed while it writes leaves the old file") {
    const TemporaryDirectory folder;
    Config config = gemma_2b();
    config.hidden_size = 1024;
    config.num_hidden_layers = 1;  // half a GB: it is never written whole
    write_file(folder / "config.json", to_json(config));
    fs::create_directory(folder / "model");
    const pid_t process = ::fork();
    if (process == 0) {
        if (::chdir(folder.path().c_str()) != 0) ::_exit(99);
        ::execl(GEMMA_PROGRAM, "gemma", "random", "config.json", "--out", "model", nullptr);
        ::_exit(99);
    }
    for (int tries = 0; folder.entries() == 2 && tries < 10000; ++tries) ::usleep(1000);
    CHECK(folder.entries() == 3);  // it has begun
    ::kill(process, SIGKILL);
    int status = 0;
    ::waitpid(process, &status, 0);
    CHECK(WIFSIGNALED(status));
    CHECK(fs::is_empty(folder / "model"));  // still what it was
}

TEST_CASE("a model that becomes shorter while the program runs ends it in one line") {
    const TemporaryDirectory folder;
    copy_small_model(folder / "small");
    int input[2], output[2], errors[2];
    REQUIRE(::pipe(input) == 0);
    REQUIRE(::pipe(output) == 0);
    REQUIRE(::pipe(errors) == 0);
    const pid_t process = ::fork();
    if (process == 0) {
        ::dup2(input[0], STDIN_FILENO);
        ::dup2(output[1], STDOUT_FILENO);
        ::dup2(errors[1], STDERR_FILENO);
        for (const int end : {input[0], input[1], output[0], output[1], errors[0], errors[1]}) ::close(end);
        const std::string model = (folder / "small").string();
        ::execl(GEMMA_PROGRAM, "gemma", "chat", "--model", model.c_str(), "--max-tokens", "1", nullptr);
        ::_exit(99);
    }
    for (const int end : {input[0], output[1], errors[1]}) ::close(end);
    // After its first answer it has the model open, and waits.
    REQUIRE(::write(input[1], "a\n", 2) == 2);
    for (char c = 0; ::read(output[0], &c, 1) == 1 && c != '\n';) {
    }
    fs::resize_file(folder / "small" / "model.safetensors", 8192);
    REQUIRE(::write(input[1], "b\n", 2) == 2);
    std::string line;
    for (char c = 0; ::read(errors[0], &c, 1) == 1;) {
        line += c;
        if (c == '\n' && contains(line, "became")) break;
    }
    int status = 0;
    ::waitpid(process, &status, 0);
    for (const int end : {input[1], output[0], errors[0]}) ::close(end);
    CAPTURE(line);
    CHECK(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 2);
    CHECK(contains(line, "model.safetensors: became shorter while it was read, expected it to keep its "));
}

TEST_CASE("what a file says is shown without its control characters") {
    const TemporaryDirectory folder;
    SafetensorsWriter(folder / "t.safetensors", {}, {{"format_version", "\033[2Jx\ny"}}).finish();
    check_error("show t.safetensors", folder, "format_version is \"\\u001b[2Jx\\ny\", expected \"1\"");
    const Run shown = run("inspect t.safetensors", folder.path());
    CHECK(shown.code == 0);
    CHECK(!contains(shown.out, "\033"));
    check_error("show \"$(printf 'a\\nb\\033')\"", folder, "a\\nb\\x1b: cannot be opened");
}
