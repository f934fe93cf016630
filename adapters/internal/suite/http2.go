package suite

import "encoding/binary"

// Frames of HTTP/2 that are not whole no client of net/http sends. These are
// the few that a request needs (RFC 9113 §6).
const (
	frameData     = 0
	frameHeaders  = 1
	frameSettings = 4

	flagEndStream  = 1
	flagEndHeaders = 4

	clientPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
)

// frame is a frame of the stream (RFC 9113 §4.1).
func frame(kind, flags byte, stream uint32, payload []byte) []byte {
	length := len(payload)
	head := []byte{byte(length >> 16), byte(length >> 8), byte(length), kind, flags}
	return append(binary.BigEndian.AppendUint32(head, stream), payload...)
}

// fields are names and values as literals without an index (RFC 7541 §6.2.2).
func fields(pairs ...string) []byte {
	var block []byte
	for i, text := range pairs {
		if i%2 == 0 {
			block = append(block, 0)
		}
		block = append(appendInteger(block, len(text)), text...)
	}
	return block
}

// appendInteger writes a length with a prefix of 7 bits (RFC 7541 §5.1), for a
// text without Huffman coding.
func appendInteger(block []byte, n int) []byte {
	if n < 127 {
		return append(block, byte(n))
	}
	return binary.AppendUvarint(append(block, 127), uint64(n-127))
}
