// The command line: which argument a refusal names, what it says was found, and what was expected.
#include "tests/support/program.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace gemma;
using namespace gemma::program;

TEST_CASE("--threads: the same limits in every subcommand") {
    const TemporaryDirectory folder;
    for (const std::string command : {"generate x", "trace --tokens 2 --out t.safetensors", "chat", "bench"}) {
        check_error(command + " --threads 100000", folder, "--threads: found 100000, expected at most 1024");
        check_error(command + " --threads 0", folder, "--threads: found 0, expected a whole number, 1 or more");
    }
}

TEST_CASE("options that are numbers say what they expect") {
    const TemporaryDirectory folder;
    check_error("generate x --max-tokens abc", folder, "--max-tokens: found abc, expected a whole number, 0 or more");
    check_error("generate x --max-tokens 99999999999999999999999", folder,
                "--max-tokens: found 99999999999999999999999, expected at most ");
    check_error("generate x --seed 1.5", folder, "--seed: found 1.5, expected a whole number, 0 or more");
    check_error("generate x --temperature abc", folder, "--temperature: found abc, expected a number such as 0.5");
    check_error("generate x --top-p ''", folder, "--top-p: found , expected a number such as 0.5");
    check_error("bench --prompt-tokens 5,x", folder, "--prompt-tokens: found x, expected a whole number, 0 or more");
    check_error("compare a b --tolerance abc", folder, "--tolerance: found abc, expected a number such as 0.5");
    for (const std::string top : {"-1", "0"}) {
        check_error("lens --tokens 2 --top " + top, folder, "--top: found " + top + ", expected a whole number, 1 or");
    }
}

TEST_CASE("options of a few words and lists of tokens are named when they are refused") {
    const TemporaryDirectory folder;
    check_error("diagnose --prompt x --text-tokens 5,x", folder, "--text-tokens: found \"x\" in \"5,x\"");
    check_error("serve --host 192.0.2.1", folder, "--host: 192.0.2.1 cannot be listened on");  // nobody's address
    check_error("compare a b --layout foo", folder, "--layout: found layout \"foo\", expected auto");
    check_error("diagnose a --layout foo", folder, "--layout: found layout \"foo\", expected auto");
    check_error("compare a b --config foo", folder, "--config: found \"foo\", which does not exist, expected gemma-2b");
    check_error("compare a b --precision foo", folder, "--precision: ");
    check_error("compare a b --precision int64", folder, "--precision: ");
}

TEST_CASE("--model: no directory, and a file") {
    const TemporaryDirectory folder;
    write_file(folder / "file", "x");
    SafetensorsWriter(folder / "t.safetensors", {{"tokens", DType::int64, {0}}}, {{"format_version", "1"}}).finish();
    for (const std::string command :
         {"generate x", "chat", "trace --tokens 2 --out new.safetensors", "lens --tokens 2", "bench", "serve",
          "diagnose t.safetensors", "view t.safetensors --out page.html", "show t.safetensors tokens"}) {
        check_error(command + " --model none", folder, "--model: there is no none, expected a model directory");
        check_error(command + " --model file", folder, "--model: file is a file, expected a model directory");
    }
    check_error("inspect none", folder, "found \"none\", which does not exist, expected gemma-2b");
    check_error("inspect --check none", folder, "found \"none\", which does not exist, expected gemma-2b");
}
