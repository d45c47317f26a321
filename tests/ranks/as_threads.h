// SPDX-License-Identifier: GPL-3.0-or-later
// Ranks as threads of one process, each with its own connections over the loopback.
#pragma once

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "engine/ranks/ranks.h"

namespace luthier::test {

inline int free_port() {
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

/// `work` of each rank; what it returns is said where it is not empty.
inline std::string by_ranks(int size,
                            const std::function<std::string(std::shared_ptr<Ranks>)>& work) {
  const int port = free_port();
  std::vector<std::string> said(static_cast<std::size_t>(size));
  std::vector<std::thread> threads;
  for (int rank = 0; rank < size; ++rank) {
    threads.emplace_back([&, rank] {
      RankPlace place;
      place.rank = place.local_rank = rank;
      place.size = place.local_size = size;
      place.address = "127.0.0.1";
      place.port = port;
      auto met = Ranks::meet(place);
      std::string& mine = said[static_cast<std::size_t>(rank)];
      mine = met ? work(*met) : met.error().sentence();
      if (!met) return;
      if (rank > 0 && mine.empty()) (void)(*met)->next_order();  // that it is over
      (*met)->leave(mine);
    });
  }
  for (std::thread& each : threads) each.join();
  std::string all;
  for (const std::string& each : said) all += each;
  return all;
}

}  // namespace luthier::test
