// The command line: which argument a refusal names, what it says was found, and what was expected.
#include "tests/support/program.hpp"

#include <doctest/doctest.h>

#include <string>
#include <utility>

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
    check_error("show t.safetensors tokens", folder, "t.safetensors: found no tokens, expected those of a run");
    check_error("inspect none", folder, "found \"none\", which does not exist, expected gemma-2b");
    check_error("inspect --check none", folder, "found \"none\", which does not exist, expected gemma-2b");
    check_error("bench --config none", folder, "--config: found \"none\", which does not exist, expected gemma-2b");
}

TEST_CASE("a wrong command line: what is wrong with it, and whose help tells more") {
    const TemporaryDirectory folder;
    check_error("", folder, "found none, expected a subcommand: generate, chat, trace, ");
    check_error("foo", folder, "found foo, expected a subcommand: generate, chat, trace, ");
    check_error("foo", folder, "(see gemma --help)");
    check_error("generate -x", folder, "found -x, which gemma generate does not take (see gemma generate --help)");
    check_error("show -x", folder, "found -x, which gemma show does not take (see gemma show --help)");
    check_error("generate a b c", folder, "found b c, which gemma generate does not take");
    check_error("generate a --prompt b", folder, "--prompt: found a and b, expected one (see gemma generate --help)");
    check_error("chat \"$(printf 'a\\nb')\"", folder, "found a\\nb, which gemma chat does not take");
}

TEST_CASE("a prompt may be an argument of its own, an option, or standard input") {
    const TemporaryDirectory folder;
    write_file(folder / "prompt", "Once upon\n");
    for (const auto& words :
         {std::pair("lens ", " --json"), {"trace ", " --ablate model.norm"}, {"generate ", " --max-tokens 2"}}) {
        const auto output = [&](const std::string& prompt) {
            return run(words.first + prompt + words.second, folder.path()).out;
        };
        const std::string expected = output("--prompt 'Once upon'");
        CHECK(expected != output("--prompt ''"));
        CHECK(expected != "");
        CHECK(output("'Once upon'") == expected);
        CHECK(output("- < prompt") == expected);
        CHECK(output("--prompt - < prompt") == expected);
    }
    check_error("lens", folder, "found neither --prompt nor --tokens, expected one of them");
    check_error("trace --names lm_head 'Once upon' --out t.safetensors", folder,
                "(a text without --prompt comes first)");
    check_error("lens a --tokens 2", folder, "--tokens");
    check_error("generate", folder, "found no prompt, expected a text to continue");
    check_error("random --out model", folder, "found no config, expected gemma-2b, gemma-7b");
    for (const std::string command : {"generate", "random"}) {
        const std::string help = run(command + " --help", folder.path()).out;
        CHECK_FALSE(contains(help, "prompt TEXT REQUIRED"));
        CHECK_FALSE(contains(help, "config CONFIG REQUIRED"));
    }
}
