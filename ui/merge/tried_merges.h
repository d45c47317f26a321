// SPDX-License-Identifier: GPL-3.0-or-later
// What was tried, newest first: weights, type, scores, proof. A row brings its settings back.
#pragma once

#include <QTableWidget>

namespace luthier {

class LiveMerge;

class TriedMerges : public QTableWidget {
  Q_OBJECT

 public:
  explicit TriedMerges(LiveMerge& merge, QWidget* parent = nullptr);

 signals:
  void chosen(std::size_t tried);

 private:
  void fill();

  LiveMerge& merge_;
};

}  // namespace luthier
