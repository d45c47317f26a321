// SPDX-License-Identifier: GPL-3.0-or-later
// Selectable text that wraps anywhere, so that a long path is never cut off. To others it is a
// label that holds the text as it is.
#pragma once

#include <QLabel>

class QTextEdit;

namespace luthier {

class WrappedText : public QLabel {
  Q_OBJECT

 public:
  explicit WrappedText(QWidget* parent = nullptr);
  void set_text(const QString& text);
  bool hasHeightForWidth() const override { return true; }
  int heightForWidth(int width) const override;
  /// The width of the longest line, were nothing wrapped.
  int natural_width() const;
  QSize sizeHint() const override;
  QSize minimumSizeHint() const override;

 protected:
  void paintEvent(QPaintEvent*) override {}  // the inner view paints
  void resizeEvent(QResizeEvent* event) override;

 private:
  QTextEdit* view_;
};

}  // namespace luthier
