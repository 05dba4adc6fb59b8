// Runs `gemma serve` as a user does and asks it, politely and not.
#include "gemma/checkpoint/embedded.hpp"
#include "gemma/model/model.hpp"
#include "gemma/text/generate.hpp"
#include "tests/support/tokenizer_fixture.hpp"

#include <doctest/doctest.h>
#include <httplib.h>
#include <nlohmann/json.hpp>

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

using namespace gemma;
using nlohmann::json;

namespace {

// The program, from its start until Ctrl-C.
class Server {
public:
    explicit Server(const std::vector<std::string>& arguments = {}) {
        std::array<int, 2> pipe{};
        REQUIRE(::pipe(pipe.data()) == 0);
        process_ = ::fork();
        if (process_ == 0) {
            ::dup2(pipe[1], STDOUT_FILENO);
            ::close(pipe[0]);
            std::vector<std::string> words = {GEMMA_PROGRAM, "serve", "--port", "0"};
            words.insert(words.end(), arguments.begin(), arguments.end());
            std::vector<char*> argv;
            for (std::string& word : words) argv.push_back(word.data());
            argv.push_back(nullptr);
            ::execv(argv[0], argv.data());
            ::_exit(127);
        }
        ::close(pipe[1]);
        std::string address;
        for (char c = 0; ::read(pipe[0], &c, 1) == 1 && c != '\n';) address += c;
        ::close(pipe[0]);
        const std::size_t colon = address.rfind(':');
        REQUIRE(colon != std::string::npos);
        port = std::stoi(address.substr(colon + 1));
    }

    ~Server() {
        if (process_ > 0) interrupt();
    }

    // Ctrl-C; the exit code.
    int interrupt() {
        ::kill(process_, SIGINT);
        int status = 0;
        ::waitpid(process_, &status, 0);
        process_ = -1;
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    }

    httplib::Client client() const {
        httplib::Client client("localhost", port);
        client.set_read_timeout(60);
        return client;
    }

    int port = 0;

private:
    pid_t process_ = -1;
};

int post_status(const Server& server, const std::string& path, const std::string& body,
                const httplib::Headers& headers = {}) {
    const auto result = server.client().Post(path, headers, body, "application/json");
    REQUIRE(result);
    const json answer = json::parse(result->body, nullptr, false);
    if (result->status >= 400) CHECK(answer["error"].get<std::string>().size() > 10);  // always with a reason
    return result->status;
}

std::vector<json> lines_of(const std::string& body) {
    std::vector<json> lines;
    std::istringstream stream(body);
    for (std::string line; std::getline(stream, line);) lines.push_back(json::parse(line));
    return lines;
}

// A connection by hand: what no well-behaved client sends.
class Connection {
public:
    explicit Connection(int port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(static_cast<std::uint16_t>(port));
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        REQUIRE(::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    }
    ~Connection() { ::close(socket_); }
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    void send(const std::string& text) const {
        REQUIRE(::send(socket_, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size()));
    }

private:
    int socket_;
};

const std::string hello = R"({"prompt": "Once upon a time", "max_tokens": 8})";

}  // namespace

TEST_CASE("serve: the page and the models, and Ctrl-C ends it with exit code 0") {
    Server server;
    const auto page = server.client().Get("/");
    REQUIRE(page);
    CHECK(page->status == 200);
    CHECK(page->body.find("<title>Gemma, live</title>") != std::string::npos);
    CHECK(page->body.find("{{") == std::string::npos);
    CHECK(page->body.find("src=\"http") == std::string::npos);
    const auto models = server.client().Get("/api/models");
    REQUIRE(models);
    const json list = json::parse(models->body);
    REQUIRE(list.size() == 2);
    CHECK(list[0]["config"]["hidden_size"] == read_config(embedded_model() / "config.json").hidden_size);
    CHECK(server.interrupt() == 0);
}

TEST_CASE("serve: a text goes on as generate lets it go on") {
    const Server server;
    const auto result = server.client().Post("/api/generate", hello, "application/json");
    REQUIRE(result);
    CHECK(result->status == 200);
    std::vector<int> served;
    for (const json& line : lines_of(result->body)) {
        if (line.contains("token")) served.push_back(line["token"]);
    }
    const Model model(embedded_model());
    KVCache cache(model.config(), 100);
    Sampler greedy{SamplerOptions{}};
    GenerateOptions options;
    options.max_tokens = 8;
    const auto expected =
        generate(model, cache, nano_tokenizer().encode_prompt("Once upon a time"), greedy, options).tokens;
    CHECK(served == expected);
}

TEST_CASE("serve: bad requests get a status and a reason") {
    const Server server;
    CHECK(post_status(server, "/api/generate", "{") == 400);
    CHECK(post_status(server, "/api/generate", R"({"prompt": 7})") == 400);
    CHECK(post_status(server, "/api/generate", R"({"prompt": "a", "edits": [{"name": "nothing"}]})") == 400);
    CHECK(post_status(server, "/api/generate?model=7", hello) == 400);
    CHECK(post_status(server, "/api/generate?model=-1", hello) == 400);
    CHECK(post_status(server, "/api/generate", json{{"prompt", std::string(20000, 'x')}}.dump()) == 400);
    CHECK(post_status(server, "/api/generate", std::string(1 << 20, ' ')) == 413);
    CHECK(post_status(server, "/api/page", R"({"tokens": [999999]})") == 400);
    CHECK(post_status(server, "/api/nothing", "{}") == 404);
    CHECK(server.client().Get("/../../etc/passwd")->status == 404);
    CHECK(server.client().Get("/style.css")->status == 404);
    CHECK(server.client().Post("/api/generate", hello, "text/plain")->status == 415);
}

TEST_CASE("serve: no page from elsewhere can ask it") {
    const Server server;
    CHECK(post_status(server, "/api/generate", hello, {{"Origin", "http://example.com"}}) == 403);
    CHECK(post_status(server, "/api/generate", hello, {{"Host", "example.com"}}) == 403);
    const std::string own = "http://localhost:" + std::to_string(server.port);
    CHECK(post_status(server, "/api/generate", hello, {{"Origin", own}}) == 200);
}

TEST_CASE("serve: more requests than may wait are told to come back") {
    const Server server({"--at-once", "1", "--waiting", "0"});
    int status = 0;
    std::string retry;
    const auto receive = [&](const char*, std::size_t) {  // the first answer is still coming
        if (status == 0) {
            const auto result = server.client().Post("/api/generate", hello, "application/json");
            status = result ? result->status : -1;
            if (result) retry = result->get_header_value("Retry-After");
        }
        return true;
    };
    httplib::Request request;
    request.method = "POST";
    request.path = "/api/generate";
    request.body = R"({"prompt": "Once upon a time", "max_tokens": 400, "temperature": 1})";
    request.headers = {{"Content-Type", "application/json"}};
    request.content_receiver = [&](const char* data, std::size_t size, std::uint64_t, std::uint64_t) {
        return receive(data, size);
    };
    httplib::Client client = server.client();
    CHECK(client.send(request));
    CHECK(status == 503);
    CHECK(retry == "1");
    CHECK(post_status(server, "/api/generate", hello) == 200);  // and later there is room again
}

TEST_CASE("serve: clients that send half a request and wait do not block others") {
    const Server server({"--at-once", "1"});
    std::vector<std::unique_ptr<Connection>> slow;
    for (int i = 0; i < 16; ++i) {
        slow.push_back(std::make_unique<Connection>(server.port));
        slow.back()->send("POST /api/generate HTTP/1.1\r\nHost: localhost:" + std::to_string(server.port) +
                          "\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{");
    }
    CHECK(post_status(server, "/api/generate", hello) == 200);
}
