// SPDX-License-Identifier: GPL-3.0-or-later
// The first column: a sample's pictures, its question and the expected answer; or plain words in
// the head and the score row.
#pragma once

#include <QFrame>

#include "engine/compare/sample.h"

class QLabel;
class QVBoxLayout;

namespace luthier {

class SampleCell : public QFrame {
  Q_OBJECT

 public:
  explicit SampleCell(QWidget* parent = nullptr);
  void show_sample(const Sample& sample);
  QLabel* show_text(const QString& text);

 signals:
  /// Every column should be asked about the expected answer.
  void score_asked();

 protected:
  void paintEvent(QPaintEvent* event) override;

 private:
  void add_pictures(const std::vector<std::filesystem::path>& pictures);

  QVBoxLayout* layout_;
};

}  // namespace luthier
