// The socket for questions, both ends, with good clients and bad ones.
#include "listeners/question_socket.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <future>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "listeners/question_server.h"
#include "scratch.h"

namespace ocsproxy {
namespace {

using namespace std::chrono_literals;
using test::Folder;
using testing::HasSubstr;

// Connects as a client that does as it likes.
Descriptor client_at(const std::string& path) {
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  Descriptor client(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(::connect(client.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address),
            0);
  return client;
}

std::string received_from(const Descriptor& connection) {
  std::string all;
  std::array<char, 4096> buffer;
  for (ssize_t got = 0; (got = ::recv(connection.get(), buffer.data(), buffer.size(), 0)) > 0;) {
    all.append(buffer.data(), static_cast<std::size_t>(got));
  }
  return all;
}

class Questions : public testing::Test {
 protected:
  // A server that says which generation was asked what.
  std::unique_ptr<QuestionServer> server(std::chrono::milliseconds patience = 20s) {
    return std::make_unique<QuestionServer>(
        socket_,
        [](const Served& served, std::string_view question) {
          if (question == "large") return Answer{0, std::string(5'000'000, 'x')};
          if (question == "wrong") return Answer{2, "that is no question"};
          return Answer{0,
                        std::to_string(served.snapshot->generation) + ": " + std::string(question)};
        },
        log_, patience);
  }
  static std::shared_ptr<const Served> load(std::uint64_t generation) {
    auto snapshot = std::make_shared<Snapshot>();
    snapshot->generation = generation;
    auto served = std::make_shared<Served>();
    served->snapshot = std::move(snapshot);
    return served;
  }
  Answer asked(std::string_view question) const {
    auto answer = ask(path_, question, 20s);
    EXPECT_TRUE(answer) << answer.error().detail;
    return answer ? *std::move(answer) : Answer{-1, {}};
  }

  const Folder folder_;
  const std::string path_ = folder_.path("socket");
  QuestionSocket socket_ = *QuestionSocket::bind(path_);
  const Log log_;
};

TEST_F(Questions, are_answered_from_the_load_that_is_in_force_when_they_are_asked) {
  const auto running = server();
  running->answer_from(load(1));
  EXPECT_EQ(asked("a").text, "1: a");
  EXPECT_EQ(asked("").text, "1: ");
  running->answer_from(load(2));
  EXPECT_EQ(asked(std::string_view("b\0\n\xff", 4)).text, std::string("2: b\0\n\xff", 7));
}

TEST_F(Questions, that_come_before_the_first_load_wait_for_it) {
  const auto running = server();
  auto early = std::async(std::launch::async, [this] { return asked("early"); });
  running->answer_from(load(1));
  EXPECT_EQ(early.get().text, "1: early");
}

TEST_F(Questions, get_the_whole_of_a_large_answer_and_the_status_of_a_wrong_one) {
  const auto running = server();
  running->answer_from(load(1));
  EXPECT_EQ(asked("large").text.size(), 5'000'000U);
  const Answer wrong = asked("wrong");
  EXPECT_EQ(wrong.status, 2);
  EXPECT_EQ(wrong.text, "that is no question");
}

TEST_F(Questions, may_be_as_long_as_the_limit_and_no_longer) {
  const auto running = server();
  running->answer_from(load(1));
  EXPECT_EQ(asked(std::string(kLongestQuestion, 'q')).text.size(), kLongestQuestion + 3);
  const auto refused = ask(path_, std::string(kLongestQuestion + 1, 'q'), 20s);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::too_large);

  // A client that has no such scruple is answered before it has sent it all.
  const Descriptor client = client_at(path_);
  std::string endless = "ocsproxy questions 1\n";
  endless.resize(kLongestQuestion + 100'000, 'q');
  (void)::send(client.get(), endless.data(), endless.size(), MSG_NOSIGNAL);
  EXPECT_THAT(received_from(client), HasSubstr("the question is longer than 262144 bytes"));
}

TEST_F(Questions, of_another_version_and_of_other_programs_are_told_so) {
  const auto running = server();
  running->answer_from(load(1));
  for (const std::string text : {"", "GET / HTTP/1.1\r\n\r\n", "ocsproxy questions 2\nx"}) {
    const Descriptor client = client_at(path_);
    ASSERT_EQ(::send(client.get(), text.data(), text.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(text.size()));
    ::shutdown(client.get(), SHUT_WR);
    EXPECT_THAT(received_from(client), HasSubstr("what was asked is not understood")) << text;
  }
}

TEST_F(Questions, of_a_client_that_says_nothing_do_not_keep_the_next_one_waiting_for_ever) {
  const auto running = server(50ms);
  running->answer_from(load(1));
  const Descriptor silent = client_at(path_);
  EXPECT_EQ(asked("next").text, "1: next");
  EXPECT_THAT(received_from(silent), HasSubstr("took too long"));
}

TEST_F(Questions, of_a_client_that_does_not_read_do_not_keep_the_next_one_waiting_for_ever) {
  const auto running = server(50ms);
  running->answer_from(load(1));
  const Descriptor deaf = client_at(path_);
  const std::string question = "ocsproxy questions 1\nlarge";
  (void)::send(deaf.get(), question.data(), question.size(), MSG_NOSIGNAL);
  ::shutdown(deaf.get(), SHUT_WR);
  EXPECT_EQ(asked("next").text, "1: next");
}

TEST_F(Questions, do_not_keep_the_server_from_ending) {
  auto running = server(1h);
  running->answer_from(load(1));
  const Descriptor silent = client_at(path_);
  // More than the sockets hold, so that it is gone only when the server reads.
  const int small = 4096;
  ASSERT_EQ(::setsockopt(silent.get(), SOL_SOCKET, SO_SNDBUF, &small, sizeof small), 0);
  const std::string begin(100'000, 'o');
  ASSERT_EQ(::send(silent.get(), begin.data(), begin.size(), MSG_NOSIGNAL), 100'000);
  running.reset();
  EXPECT_THAT(received_from(silent), HasSubstr("took too long"));
}

// What stands in for a proxy: takes one client and says this.
Result<Answer> ask_one_that_says(const std::string& path, const std::string& bytes) {
  const auto socket = QuestionSocket::bind(path);
  EXPECT_TRUE(socket);
  auto answer = std::async(std::launch::async, [&path] { return ask(path, "q", 20s); });
  Descriptor peer;
  EXPECT_TRUE(test::eventually([&] {
    peer.reset(::accept4(socket->descriptor(), nullptr, nullptr, SOCK_CLOEXEC));
    return static_cast<bool>(peer);
  }));
  EXPECT_EQ(received_from(peer), "ocsproxy questions 1\nq");
  (void)::send(peer.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  peer.reset();
  return answer.get();
}

TEST(Answers, are_believed_only_when_they_are_whole) {
  const Folder folder;
  const std::string path = folder.path("socket");
  const auto whole = ask_one_that_says(path, "ocsproxy questions 1\n0 5\nright");
  ASSERT_TRUE(whole) << whole.error().detail;
  EXPECT_EQ(whole->text, "right");
  for (const char* bytes :
       {"", "ocsproxy", "ocsproxy questions 1\n", "ocsproxy questions 1\n0 5",
        "ocsproxy questions 1\n0 5\nrigh", "ocsproxy questions 1\n0 5\nright!",
        "ocsproxy questions 2\n0 5\nright", "ocsproxy questions 1\n0\nright",
        "ocsproxy questions 1\nx 5\nright", "ocsproxy questions 1\n0 -5\nright",
        "ocsproxy questions 1\n0 99999999999999999999999\nright", "HTTP/1.1 400 Bad Request\r\n"}) {
    const auto answer = ask_one_that_says(path, bytes);
    ASSERT_FALSE(answer) << bytes;
    EXPECT_THAT(answer.error().detail, HasSubstr("no ocsproxy, or one of another version"));
  }
}

TEST(Answers, that_do_not_come_are_waited_for_as_long_as_was_said) {
  const Folder folder;
  const std::string path = folder.path("socket");
  const auto nobody_accepts = QuestionSocket::bind(path);
  ASSERT_TRUE(nobody_accepts);
  const auto answer = ask(path, "q", 10ms);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().kind, ErrorKind::timeout);
  EXPECT_THAT(answer.error().detail, HasSubstr("the proxy does not answer"));
}

TEST(QuestionFile, is_for_its_owner_and_goes_with_the_socket) {
  const Folder folder;
  const std::string path = folder.path("socket");
  {
    const auto socket = QuestionSocket::bind(path);
    ASSERT_TRUE(socket);
    struct stat file {};
    ASSERT_EQ(::stat(path.c_str(), &file), 0);
    EXPECT_EQ(file.st_mode & 0777U, 0600U);
  }
  const auto gone = ask(path, "q", 1s);
  ASSERT_FALSE(gone);
  EXPECT_THAT(gone.error().detail, HasSubstr("a proxy that was started with --socket makes it"));
}

TEST(QuestionFile, of_a_proxy_that_died_is_replaced_and_of_one_that_lives_is_not) {
  const Folder folder;
  const std::string path = folder.path("socket");
  test::ChildProcess dies([&path] {
    auto left_behind = QuestionSocket::bind(path);
    if (left_behind) ::_exit(0);  // no destructor runs, as after SIGKILL
    return 1;
  });
  ASSERT_EQ(dies.wait(), 0);
  const auto refused = ask(path, "q", 1s);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().detail, HasSubstr("the proxy that made it is gone"));

  const auto lives = QuestionSocket::bind(path);
  ASSERT_TRUE(lives) << lives.error().detail;
  const auto second = QuestionSocket::bind(path);
  ASSERT_FALSE(second);
  EXPECT_THAT(second.error().detail, HasSubstr("a process listens there"));
}

TEST(QuestionFile, is_not_removed_by_a_child_of_the_process_that_made_it) {
  const Folder folder;
  const std::string path = folder.path("socket");
  auto socket = QuestionSocket::bind(path);
  ASSERT_TRUE(socket);
  test::ChildProcess child([&socket] {
    const QuestionSocket its_copy = *std::move(socket);
    return 0;
  });
  ASSERT_EQ(child.wait(), 0);
  EXPECT_EQ(::access(path.c_str(), F_OK), 0);
}

TEST(QuestionFile, does_not_replace_a_file_that_is_no_socket) {
  const Folder folder;
  const std::string path = folder.path("notes");
  test::write_file(path, "precious");
  const auto socket = QuestionSocket::bind(path);
  ASSERT_FALSE(socket);
  EXPECT_THAT(socket.error().detail, HasSubstr("that is no socket; name another path"));
  EXPECT_EQ(test::read_file(path), "precious");
}

TEST(QuestionFile, has_a_path_that_fits_into_the_address_of_a_socket) {
  const auto socket = QuestionSocket::bind("/" + std::string(200, 'x'));
  ASSERT_FALSE(socket);
  EXPECT_THAT(socket.error().detail, HasSubstr("at most 107 bytes"));
}

}  // namespace
}  // namespace ocsproxy
