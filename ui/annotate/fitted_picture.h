// SPDX-License-Identifier: GPL-3.0-or-later
// A picture as large as its place, at most twice its own size; or the sentence why there is none.
#pragma once

#include <QImage>
#include <QLabel>

namespace luthier {

class FittedPicture : public QLabel {
  Q_OBJECT

 public:
  explicit FittedPicture(QWidget* parent = nullptr);
  void show_file(const QString& path);

 protected:
  void resizeEvent(QResizeEvent* event) override;

 private:
  void fit();

  QString path_;
  QImage picture_;
};

}  // namespace luthier
