// SPDX-License-Identifier: GPL-3.0-or-later
// Ranks of one machine see what rank 0 writes, whatever they themselves call the place; where rank
// 0 cannot write, none does. Nothing is left there.

#include "engine/ranks/shared_place.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fstream>
#include <thread>

#include "engine/io/probe.h"

#include <QtTest>  // after LibTorch: its keyword `slots` is a name there

using namespace luthier;
namespace fs = std::filesystem;

namespace {

int port_nobody_has() {
  const int number = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in place{};
  place.sin_family = AF_INET;
  place.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof place;
  bind(number, reinterpret_cast<sockaddr*>(&place), sizeof place);
  getsockname(number, reinterpret_cast<sockaddr*>(&place), &size);
  close(number);
  return ntohs(place.sin_port);
}

/// What each of two ranks sees, rank 0 writing beside its place.
std::vector<Result<bool>> seen_by(const std::vector<fs::path>& places) {
  const int port = port_nobody_has();
  std::vector<Result<bool>> seen(places.size(), Error{});
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < places.size(); ++i)
    threads.emplace_back([&, i] {
      RankPlace place;
      place.rank = place.local_rank = static_cast<int>(i);
      place.size = place.local_size = static_cast<int>(places.size());
      place.address = "127.0.0.1";
      place.port = port;
      auto met = Ranks::meet(place);
      if (!met) {
        seen[i] = met.error();
        return;
      }
      seen[i] = sees_files_of_leader(**met, places[i]);
      if (i > 0) (void)(*met)->next_order();
      (*met)->leave("");
    });
  for (std::thread& each : threads) each.join();
  return seen;
}

}  // namespace

class TestSharedPlace : public QObject {
  Q_OBJECT

 private slots:
  void one_machine_has_one_place() {
    const QTemporaryDir temporary;
    const fs::path root = temporary.path().toStdString();
    for (const Result<bool>& each : seen_by({root / "new/run/", "elsewhere", root / "other"}))
      QVERIFY2(each && *each, each ? "" : each.error().sentence().c_str());
    QCOMPARE(names_in(root / "new").size(), std::size_t{0});
  }

  void where_nobody_writes_nobody_sees() {
    const QTemporaryDir temporary;
    const fs::path file = fs::path(temporary.path().toStdString()) / "file";
    QVERIFY(fs::create_directories(file));
    fs::remove(file);
    std::ofstream(file) << "no folder";
    const auto seen = seen_by({file / "run", file / "run"});
    QVERIFY(seen[0] && *seen[0]);  // its own files are its own
    QVERIFY(seen[1] && !*seen[1]);
  }
};

QTEST_GUILESS_MAIN(TestSharedPlace)
#include "test_shared_place.moc"
