// SPDX-License-Identifier: GPL-3.0-or-later
// The first column: a sample's picture, its question and the expected answer; or plain words in the head and the score row.
#pragma once

#include <QFrame>

class QLabel;
class QVBoxLayout;

namespace luthier {

class SampleCell : public QFrame {
  Q_OBJECT

 public:
  explicit SampleCell(QWidget* parent = nullptr);
  void show_sample(const QString& picture, const QString& question, const QString& expected);
  QLabel* show_text(const QString& text);

 protected:
  void paintEvent(QPaintEvent* event) override;

 private:
  QVBoxLayout* layout_;
};

}  // namespace luthier
