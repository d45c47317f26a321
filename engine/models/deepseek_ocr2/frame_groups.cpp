// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/deepseek_ocr2/frame_groups.h"

#include <functional>
#include <map>
#include <numeric>

namespace luthier {

using torch::Tensor;

std::vector<FrameGroup> frame_groups(const std::vector<PictureFacts>& pictures) {
  std::map<std::int64_t, FrameGroup, std::greater<>> by_edge;
  std::int64_t start = 0, frame = 0;
  const auto add = [&](std::int64_t edge) {
    FrameGroup& group = by_edge[edge];
    group.edge = edge;
    group.starts.push_back(start);
    group.frames.push_back(frame++);
    start += 3 * edge * edge;
  };
  for (const PictureFacts& picture : pictures) {
    TORCH_CHECK(picture.grid.size() == 4 && picture.grid[0] >= 0 && picture.grid[1] >= 0 &&
                    picture.grid[2] > 0 && picture.grid[3] > 0,
                "a picture's grid has the rows and columns of its tiles and two edges");
    for (std::int64_t tile = 0; tile < picture.grid[0] * picture.grid[1]; ++tile)
      add(picture.grid[2]);
    add(picture.grid[3]);
  }
  std::vector<FrameGroup> groups;
  for (auto& [edge, group] : by_edge) groups.push_back(std::move(group));
  return groups;
}

Tensor frames_of(const Tensor& pixels, const FrameGroup& group) {
  const std::int64_t numbers = 3 * group.edge * group.edge;
  std::vector<Tensor> frames;
  for (const std::int64_t start : group.starts)
    frames.push_back(pixels.narrow(0, start, numbers).view({1, 3, group.edge, group.edge}));
  return frames.size() == 1 ? frames.front() : at::cat(frames);
}

Tensor pictures_order(const std::vector<FrameGroup>& groups,
                      const std::vector<std::int64_t>& each) {
  struct Made {
    std::int64_t first = 0, count = 0;
  };
  std::map<std::int64_t, Made> by_frame;
  std::int64_t first = 0;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    for (const std::int64_t frame : groups[i].frames) {
      by_frame[frame] = {first, each.at(i)};
      first += each.at(i);
    }
  }
  std::vector<std::int64_t> order;
  for (const auto& [frame, made] : by_frame)
    for (std::int64_t i = 0; i < made.count; ++i) order.push_back(made.first + i);
  return torch::tensor(order, torch::kInt64);
}

Tensor order_with_ends(const std::vector<std::int64_t>& features) {
  const std::int64_t all = std::accumulate(features.begin(), features.end(), std::int64_t{0});
  std::vector<std::int64_t> order;
  std::int64_t next = 0;
  for (const std::int64_t count : features) {
    for (std::int64_t i = 0; i < count; ++i) order.push_back(next++);
    order.push_back(all);
  }
  return torch::tensor(order, torch::kInt64);
}

}  // namespace luthier
