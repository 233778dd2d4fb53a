// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {CertificateVerifier} from "../src/chain/CertificateVerifier.sol";
import {ICertificateVerifier} from "../src/interfaces/ICertificateVerifier.sol";
import {Test} from "./support/Test.sol";

/// Against certificates that the node's Rust code signed: `poa-node/crates/aura/tests/it/certificate_fixture.rs` writes
/// `certificates.json`, and fails when it would write something else.
contract CertificateVerifierTest is Test {
    CertificateVerifier private verifier;
    string private json;

    function setUp() public {
        json = vm.readFile("test/certificates.json");
        verifier = new CertificateVerifier(2026, bytes32(_bytes(".genesisHash")), _set(".genesisValidators"));
    }

    function _bytes(string memory key) private view returns (bytes memory) {
        return vm.parseJsonBytes(json, key);
    }

    function _set(string memory key) private view returns (address[] memory) {
        return abi.decode(_bytes(key), (address[]));
    }

    function _certificate(string memory key) private view returns (ICertificateVerifier.Certificate memory) {
        return abi.decode(_bytes(key), (ICertificateVerifier.Certificate));
    }

    function _none() private pure returns (address[][] memory) {
        return new address[][](0);
    }

    function _one(string memory key) private view returns (address[][] memory sets) {
        sets = new address[][](1);
        sets[0] = _set(key);
    }

    function test_a_quorum_makes_a_block_final() public {
        ICertificateVerifier.Certificate memory certificate = _certificate(".ordinary");
        verifier.advance(certificate, _none());
        eq(verifier.finalizedNumber(), 6, "number");
        eq(verifier.finalizedHash(), certificate.hash, "hash");
    }

    function test_what_is_signed_is_what_rust_signs() public view {
        ICertificateVerifier.Certificate memory c = _certificate(".ordinary");
        eq(
            verifier.digest(c.number, c.hash, c.childHash, c.validatorHistory),
            bytes32(_bytes(".ordinaryDigest")),
            "digest"
        );
    }

    function test_fewer_than_a_quorum_make_nothing_final() public {
        vm.expectRevert(abi.encodeWithSelector(ICertificateVerifier.NoQuorum.selector, 0, 2, 3));
        verifier.advance(_certificate(".few"), _none());
    }

    function test_strangers_do_not_count() public {
        vm.expectRevert(abi.encodeWithSelector(ICertificateVerifier.NoQuorum.selector, 0, 2, 3));
        verifier.advance(_certificate(".strangers"), _none());
    }

    function test_a_signature_counts_once() public {
        ICertificateVerifier.Certificate memory c = _certificate(".few");
        c.signatures = abi.encodePacked(c.signatures, c.signatures);
        vm.expectRevert(abi.encodeWithSelector(ICertificateVerifier.Unordered.selector, 2));
        verifier.advance(c, _none());
    }

    function test_no_byte_of_a_certificate_can_change(uint256 place, uint8 by) public {
        ICertificateVerifier.Certificate memory c = _certificate(".ordinary");
        place = bound(place, 0, c.signatures.length - 1);
        vm.assume(by != 0);
        c.signatures[place] ^= bytes1(by);
        vm.expectRevert();
        verifier.advance(c, _none());
    }

    function test_no_field_of_a_certificate_can_change() public {
        ICertificateVerifier.Certificate memory c = _certificate(".ordinary");
        c.number = 7;
        vm.expectRevert();
        verifier.advance(c, _none());
        c = _certificate(".ordinary");
        c.hash = bytes32(uint256(1));
        vm.expectRevert();
        verifier.advance(c, _none());
        c = _certificate(".ordinary");
        c.childHash = bytes32(uint256(1));
        vm.expectRevert();
        verifier.advance(c, _none());
        c = _certificate(".ordinary");
        c.validatorHistory = bytes32(uint256(1));
        vm.expectRevert();
        verifier.advance(c, _none());
    }

    function test_certificates_of_another_chain_are_nothing() public {
        CertificateVerifier other =
            new CertificateVerifier(2027, bytes32(_bytes(".genesisHash")), _set(".genesisValidators"));
        vm.expectRevert();
        other.advance(_certificate(".ordinary"), _none());
    }

    function test_a_change_of_validators_is_followed() public {
        verifier.advance(_certificate(".ordinary"), _none());
        vm.expectRevert(ICertificateVerifier.OtherHistory.selector);
        this.advance(_certificate(".handover"), _none());
        verifier.advance(_certificate(".handover"), _one(".newValidators"));
        eq(verifier.validators().length, 4, "new set");
        eq(verifier.validators()[3], _set(".newValidators")[3], "member");
        verifier.advance(_certificate(".after"), _none());
        eq(verifier.finalizedNumber(), 12, "number");
    }

    function test_both_sets_must_sign_a_change() public {
        vm.expectRevert(abi.encodeWithSelector(ICertificateVerifier.NoQuorum.selector, 1, 2, 3));
        verifier.advance(_certificate(".handoverOldOnly"), _one(".newValidators"));
        vm.expectRevert(abi.encodeWithSelector(ICertificateVerifier.NoQuorum.selector, 0, 2, 3));
        verifier.advance(_certificate(".handoverNewOnly"), _one(".newValidators"));
    }

    function test_nothing_goes_back() public {
        verifier.advance(_certificate(".ordinary"), _none());
        vm.expectRevert(abi.encodeWithSelector(ICertificateVerifier.NotNewer.selector, 6, 6));
        verifier.advance(_certificate(".ordinary"), _none());
    }

    /// So that a revert with arguments is matched by its selector alone.
    function advance(ICertificateVerifier.Certificate calldata certificate, address[][] calldata recorded) external {
        try verifier.advance(certificate, recorded) {}
        catch (bytes memory reason) {
            bytes4 selector = bytes4(reason);
            assembly {
                mstore(0, selector)
                revert(0, 4)
            }
        }
    }
}
